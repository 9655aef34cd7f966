//! Playing a terminal's frames in their time: what to draw when. No clock and no terminal of its own.

use std::time::Duration;

use portcullis_evidence::inert::Screen;

use super::terminal::{Terminal, What};

/// How far a key seeks.
const SEEK: Duration = Duration::from_secs(5);
const SPEEDS: (f64, f64) = (1.0 / 16.0, 64.0);

/// What a viewer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Pause,
    Step,
    Faster,
    Slower,
    Forward,
    Back,
    Quit,
}

/// Keys, of what a terminal sends for them.
pub(super) fn keys(bytes: &[u8]) -> Vec<Key> {
    let (mut keys, mut rest) = (Vec::new(), bytes);
    while let Some((first, behind)) = rest.split_first() {
        let arrow = |last: &u8| match last {
            b'C' => Some(Key::Forward),
            b'D' => Some(Key::Back),
            _ => None,
        };
        let (key, after) = match (first, behind) {
            (0x1b, [b'[' | b'O', last, behind @ ..]) => (arrow(last), behind),
            (b' ', _) => (Some(Key::Pause), behind),
            (b'.', _) => (Some(Key::Step), behind),
            (b'+' | b'=', _) => (Some(Key::Faster), behind),
            (b'-', _) => (Some(Key::Slower), behind),
            (b'q' | 0x03, _) => (Some(Key::Quit), behind),
            _ => (None, behind),
        };
        keys.extend(key);
        rest = after;
    }
    keys
}

/// Where a replay stands.
#[derive(Debug)]
pub(super) struct Player {
    frames: Vec<Frame>,
    /// The frame that is drawn next.
    next: usize,
    /// The time of the recording that is reached, pauses cut.
    at: Duration,
    speed: f64,
    paused: bool,
    screen: Screen,
}

#[derive(Debug)]
struct Frame {
    at: Duration,
    output: String,
}

/// How a replay goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Next {
    /// Draw the next frame after this long.
    Frame(Duration),
    /// Wait for a key.
    Key,
    End,
}

impl Player {
    /// From what `from` and `to` leave of a recording; nothing that was longer silent than `max_pause` stays so.
    ///
    /// What is drawn before `from` is drawn at once.
    pub(super) fn new(
        terminal: &Terminal,
        speed: f64,
        from: Duration,
        to: Duration,
        max_pause: Option<Duration>,
    ) -> Self {
        let (mut frames, mut cut, mut before, mut start) = (Vec::new(), Duration::ZERO, Duration::ZERO, from);
        for moment in terminal.moments.iter().take_while(|moment| moment.at <= to) {
            let What::Output(output) = &moment.what else { continue };
            if let Some(most) = max_pause {
                cut += moment.at.saturating_sub(before).saturating_sub(most);
            }
            before = moment.at;
            if moment.at < from {
                start = from.saturating_sub(cut);
            }
            frames.push(Frame { at: moment.at.saturating_sub(cut), output: output.clone() });
        }
        let speed = speed.clamp(SPEEDS.0, SPEEDS.1);
        Self { frames, next: 0, at: start, speed, paused: false, screen: Screen::default() }
    }

    /// Draws everything up to where the replay stands.
    pub(super) fn catch_up(&mut self, out: &mut String) {
        while self.frames.get(self.next).is_some_and(|frame| frame.at < self.at) {
            self.draw(out);
        }
    }

    pub(super) fn next(&self) -> Next {
        match self.frames.get(self.next) {
            None => Next::End,
            Some(_) if self.paused => Next::Key,
            Some(frame) => Next::Frame(frame.at.saturating_sub(self.at).div_f64(self.speed)),
        }
    }

    /// Draws the next frame.
    pub(super) fn draw(&mut self, out: &mut String) {
        if let Some(frame) = self.frames.get(self.next) {
            self.screen.push(&frame.output, out);
            self.at = self.at.max(frame.at);
            self.next += 1;
        }
    }

    /// Some time has passed in front of the screen.
    pub(super) fn passed(&mut self, real: Duration) {
        if let Some(frame) = self.frames.get(self.next)
            && !self.paused
        {
            self.at = (self.at + real.mul_f64(self.speed)).min(frame.at.max(self.at));
        }
    }

    /// Does what a viewer wants; false to end.
    pub(super) fn press(&mut self, key: Key, out: &mut String) -> bool {
        match key {
            Key::Pause => self.paused = !self.paused,
            Key::Step => {
                self.paused = true;
                self.draw(out);
            }
            Key::Faster => self.speed = (self.speed * 2.0).min(SPEEDS.1),
            Key::Slower => self.speed = (self.speed / 2.0).max(SPEEDS.0),
            Key::Forward => {
                self.at += SEEK;
                self.catch_up(out);
            }
            Key::Back => {
                self.at = self.at.saturating_sub(SEEK);
                out.push_str(self.screen.reset());
                out.push_str("\x1b[H\x1b[2J");
                (self.next, self.screen) = (0, Screen::default());
                self.catch_up(out);
            }
            Key::Quit => return false,
        }
        true
    }

    /// What leaves the viewer's terminal as it was.
    pub(super) fn reset(&self) -> &'static str {
        self.screen.reset()
    }
}

#[cfg(test)]
mod tests {
    use super::super::terminal::Moment;
    use super::*;

    fn terminal(frames: &[(u64, &str)]) -> Terminal {
        let moment = |(at, text): &(u64, &str)| Moment {
            at: Duration::from_secs(*at),
            what: What::Output((*text).to_owned()),
        };
        Terminal { moments: frames.iter().map(moment).collect(), ..Terminal::default() }
    }

    const FRAMES: &[(u64, &str)] = &[(1, "a"), (2, "b"), (10, "c"), (100, "d")];
    const SECOND: Duration = Duration::from_secs(1);

    fn player(from: u64, to: u64, max_pause: Option<u64>) -> (Player, String) {
        let seconds = Duration::from_secs;
        let mut player =
            Player::new(&terminal(FRAMES), 2.0, seconds(from), seconds(to), max_pause.map(seconds));
        let mut out = String::new();
        player.catch_up(&mut out);
        (player, out)
    }

    #[test]
    fn frames_come_in_their_time() {
        let (mut player, mut out) = player(0, 50, None);
        assert_eq!((player.next(), out.as_str()), (Next::Frame(SECOND / 2), ""));
        player.draw(&mut out);
        player.draw(&mut out);
        assert_eq!((player.next(), out.as_str()), (Next::Frame(4 * SECOND), "ab"));
        player.passed(SECOND);
        assert_eq!(player.next(), Next::Frame(3 * SECOND));
        player.draw(&mut out);
        assert_eq!((player.next(), out.as_str()), (Next::End, "abc"));
    }

    #[test]
    fn what_is_before_the_beginning_is_drawn_at_once_and_long_pauses_are_cut() {
        let (at_five, drawn) = player(5, 200, None);
        assert_eq!((at_five.next(), drawn.as_str()), (Next::Frame(SECOND * 5 / 2), "ab"));
        let (mut cut, mut drawn) = player(0, 200, Some(2));
        assert_eq!((cut.next(), drawn.as_str()), (Next::Frame(SECOND / 2), ""));
        for expected in [SECOND / 2, SECOND, SECOND] {
            cut.draw(&mut drawn);
            assert_eq!(cut.next(), Next::Frame(expected));
        }
    }

    #[test]
    fn keys_pause_step_seek_and_change_the_speed() {
        assert_eq!(
            keys(b" .+-\x1b[C\x1bOD\x1b[Axq"),
            [Key::Pause, Key::Step, Key::Faster, Key::Slower, Key::Forward, Key::Back, Key::Quit]
        );
        let (mut player, mut out) = player(0, 200, None);
        assert!(player.press(Key::Pause, &mut out));
        assert_eq!(player.next(), Next::Key);
        player.press(Key::Step, &mut out);
        assert_eq!((player.next(), out.as_str()), (Next::Key, "a"));
        player.press(Key::Pause, &mut out);
        player.press(Key::Faster, &mut out);
        assert_eq!(player.next(), Next::Frame(SECOND / 4));
        player.press(Key::Forward, &mut out);
        assert_eq!((player.next(), out.as_str()), (Next::Frame(SECOND), "ab"));
        out.clear();
        player.press(Key::Back, &mut out);
        assert!(out.ends_with("\x1b[H\x1b[2J"), "{out:?}");
        assert_eq!(player.next(), Next::Frame(Duration::ZERO));
        assert!(!player.press(Key::Quit, &mut out));
    }
}
