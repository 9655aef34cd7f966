//! The viewer's terminal: its keys, and its modes put back as they were.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use super::player::{Next, Player, keys};
use crate::failure::Failure;
use crate::output::Output;

/// Plays on the terminal that standard output is, or prints everything at once where it is none.
pub(super) fn play(output: Output, mut player: Player) -> Result<(), Failure> {
    let mut drawn = String::new();
    player.catch_up(&mut drawn);
    if !io::stdout().is_terminal() {
        while player.next() != Next::End {
            player.draw(&mut drawn);
            output.raw(drawn.as_bytes())?;
            drawn.clear();
        }
        return output.raw(drawn.as_bytes());
    }
    let mut keyboard = Keyboard::open();
    let played = perform(output, &mut player, keyboard.as_mut(), drawn);
    // Whatever happened: the terminal is the viewer's again.
    let reset = output.raw(format!("{}\r\n", player.reset()).as_bytes());
    drop(keyboard);
    played.and(reset)
}

fn perform(
    output: Output,
    player: &mut Player,
    mut keyboard: Option<&mut Keyboard>,
    mut drawn: String,
) -> Result<(), Failure> {
    loop {
        output.raw(drawn.as_bytes())?;
        drawn.clear();
        let wait = match player.next() {
            Next::End => return Ok(()),
            Next::Frame(wait) => Some(wait),
            Next::Key => None,
        };
        let Some(keyboard) = keyboard.as_deref_mut() else {
            std::thread::sleep(wait.unwrap_or_default());
            player.draw(&mut drawn);
            continue;
        };
        let began = Instant::now();
        let pressed = keyboard.wait(wait).map_err(Failure::io)?;
        if pressed.is_empty() && wait.is_some_and(|wait| began.elapsed() >= wait) {
            player.draw(&mut drawn);
            continue;
        }
        player.passed(began.elapsed());
        for key in keys(&pressed) {
            if !player.press(key, &mut drawn) {
                return Ok(());
            }
        }
    }
}

/// The keys of the terminal, one by one and without an echo, until it is dropped.
struct Keyboard {
    terminal: File,
    before: Termios,
}

impl Keyboard {
    /// `None` where there is none: the replay then has no keys.
    fn open() -> Option<Self> {
        let terminal = File::open("/dev/tty").ok()?;
        let before = tcgetattr(&terminal).ok()?;
        let mut modes = before.clone();
        modes.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(&terminal, OptionalActions::Now, &modes).ok()?;
        Some(Self { terminal, before })
    }

    /// What was typed within this time; `None` waits for a key.
    fn wait(&mut self, most: Option<Duration>) -> io::Result<Vec<u8>> {
        let timeout = most.map(|most| Timespec {
            tv_sec: most.as_secs().min(86_400) as i64,
            tv_nsec: i64::from(most.subsec_nanos()),
        });
        let mut ready = [PollFd::new(&self.terminal, PollFlags::IN)];
        match poll(&mut ready, timeout.as_ref()) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 64];
        let read = self.terminal.read(&mut bytes)?;
        if read == 0 {
            // The terminal is gone: as if somebody had pressed `q`.
            return Ok(b"q".to_vec());
        }
        Ok(bytes.get(..read).unwrap_or_default().to_vec())
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        // Nobody is left to tell if the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Now, &self.before);
    }
}
