//! The queue against sinks that are slow, full or gone. Files that behave so are handed in where the crate makes its own.

use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::task::Wake;

use super::*;
use crate::recording::Stream;
use crate::{LogOptions, SigningKey};

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn start(dir: &Path, options: RecorderOptions) -> Recorder {
    let key = SigningKey::load_or_create(&dir.join("state")).unwrap();
    let log = AuditLog::open(&dir.join("evidence"), key, LogOptions::default()).unwrap();
    Recorder::start(Arc::new(log), options).unwrap()
}

fn output(text: &str) -> Event<'_> {
    Event::Output { command: 1, stream: Stream::Stdout, text: text.into() }
}

/// Noise, so that compression doesn't help the sink.
fn noise(bytes: usize) -> String {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'!' + (state % 90) as u8)
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[test]
fn a_slow_sink_makes_the_session_wait_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let options =
        RecorderOptions { queue_bytes: 64 << 10, frame_bytes: 4 << 10, ..RecorderOptions::default() };
    let recorder = start(dir.path(), options);
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let recording =
        recorder.record("slow", File::from(writer), PathBuf::from("slow"), |reason| panic!("{reason}"));
    let text = noise(1000);

    // Nobody reads: a pipe takes 64 KiB and then blocks the recorder's thread; the queue fills, and no further.
    let mut pushed = 0;
    let full = loop {
        match recording.try_push(&output(&text)) {
            Ok(()) => pushed += 1,
            Err(error) => break error,
        }
        assert!(pushed < 1000, "the queue is not bounded");
    };
    assert!(matches!(full, PushError::Full), "{full}");
    let flag = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(flag.clone());
    while recording.poll_room(&mut Context::from_waker(&waker)).is_ready() {
        // The writer's thread made room once more before it blocked.
        if recording.try_push(&output(&text)).is_ok() {
            pushed += 1;
        }
        assert!(pushed < 1000, "the queue is not bounded");
    }
    assert!(recorder.queued_bytes() < options.queue_bytes + 2000, "{}", recorder.queued_bytes());
    assert!(!flag.0.load(Ordering::SeqCst));

    let copied = dir.path().join("copy");
    let to = copied.clone();
    let drain = std::thread::spawn(move || {
        io::copy(&mut File::from(reader), &mut File::create(to).unwrap()).unwrap();
    });
    while !flag.0.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let poll = recording.poll_room(&mut Context::from_waker(&waker));
    assert!(poll.is_ready() || recorder.queued_bytes() > 0);
    recording.close("client").unwrap();
    drop(recorder);
    drain.join().unwrap();
    let mut played = super::super::Reader::open(&copied).unwrap();
    let texts =
        played.by_ref().filter(|p| matches!(&p.event, Event::Output { text: t, .. } if *t == text)).count();
    assert_eq!((texts, played.end()), (pushed, Some(&super::super::End::Closed)));
}

#[test]
fn a_failed_sink_ends_its_session_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let recorder =
        start(dir.path(), RecorderOptions { interval: Duration::ZERO, ..RecorderOptions::default() });
    let (sender, failures) = mpsc::channel();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let tell = move |reason: Arc<str>| sender.send(reason).unwrap();
    let bad = recorder.record("bad", full, PathBuf::from("/dev/full"), tell);
    let good = recorder.open("good", |reason| panic!("{reason}")).unwrap();
    bad.try_push(&output("x")).unwrap();
    good.try_push(&output("x")).unwrap();
    let reason = failures.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(reason.contains("No space left"), "{reason}");
    assert!(matches!(bad.try_push(&output("y")), Err(PushError::Failed(_))));
    assert!(matches!(bad.close("client"), Err(PushError::Failed(_))));
    good.close("client").unwrap();
    recorder.close();
    assert_eq!(recorder.queued_bytes(), 0);
    assert!(dir.path().join("evidence/recordings/good.ndjson.zst").exists());
}

#[test]
fn a_reader_that_is_gone_is_a_failure_too() {
    let dir = tempfile::tempdir().unwrap();
    let recorder =
        start(dir.path(), RecorderOptions { interval: Duration::ZERO, ..RecorderOptions::default() });
    let (reader, writer): (OwnedFd, OwnedFd) = rustix::pipe::pipe().unwrap();
    drop(reader);
    let (sender, failures) = mpsc::channel();
    let gone =
        recorder.record("gone", File::from(writer), PathBuf::from("gone"), move |r| sender.send(r).unwrap());
    gone.try_push(&output("x")).unwrap();
    assert!(failures.recv_timeout(Duration::from_secs(10)).unwrap().contains("Broken pipe"));
}

#[test]
fn after_the_recorder_stopped_nothing_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let recorder = start(dir.path(), RecorderOptions::default());
    let recording = recorder.open("s", |_| ()).unwrap();
    recorder.close();
    assert!(matches!(recording.try_push(&output("x")), Err(PushError::Failed(_))));
}
