//! Every kind of tampering, and what the verifier says about it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests state what they expect by failing")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::{copy, lines, open, outcome, sample, segments};
use portcullis_evidence::verify::{Kind, Report, VerifyOptions, verify};
use portcullis_evidence::{Checkpoint, Hash, PublicKey, Scope, newest_checkpoint};
use proptest::prelude::*;
use tempfile::TempDir;

/// A good log with about a hundred records, a checkpoint taken off the host half-way, and its public key.
struct Good {
    dir: TempDir,
    early: Checkpoint,
    late: Checkpoint,
    key: PublicKey,
}

static GOOD: LazyLock<Good> = LazyLock::new(|| {
    let dir = TempDir::new().unwrap();
    sample(dir.path(), 10);
    let early = newest_checkpoint(&dir.path().join("evidence")).unwrap();
    let log = open(dir.path()).unwrap();
    let key = log.public_key();
    for command in 0..30 {
        log.append_one(&Scope::session("s3", "bo", "shop"), &outcome(command)).unwrap();
    }
    drop(log);
    let late = newest_checkpoint(&dir.path().join("evidence")).unwrap();
    assert!(segments(&dir.path().join("evidence")).len() >= 3);
    Good { dir, early, late, key }
});

/// Verifies a copy of the good log after something was done to it.
fn after(tamper: impl FnOnce(&Path), options: &VerifyOptions) -> Report {
    let dir = TempDir::new().unwrap();
    copy(&GOOD.dir.path().join("evidence"), dir.path());
    tamper(dir.path());
    verify(dir.path(), options).unwrap()
}

fn kinds(report: &Report) -> Vec<Kind> {
    report.findings.iter().map(|finding| finding.kind).collect()
}

#[track_caller]
fn finds(what: &str, expected: &[Kind], tamper: impl FnOnce(&Path)) {
    let report = after(tamper, &VerifyOptions::default());
    let found: Vec<_> = report.findings.iter().map(ToString::to_string).collect();
    assert!(!report.is_intact(), "{what}: nothing was found");
    for kind in expected {
        assert!(kinds(&report).contains(kind), "{what}: expected {kind:?} in {found:#?}");
    }
}

/// Edits the lines of a segment (0 is the first).
fn edit(evidence: &Path, segment: usize, change: impl FnOnce(&mut Vec<String>)) {
    let path = &segments(evidence)[segment];
    let mut lines: Vec<_> = fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect();
    change(&mut lines);
    fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

fn is(line: &str, kind: &str) -> bool {
    line.contains(&format!(r#""kind":"{kind}""#))
}

fn chain_of(line: &str) -> Hash {
    line[line.len() - 66..line.len() - 2].parse().unwrap()
}

/// Numbers and links lines anew, as someone without the key would: from `start` on, all follow what stands before.
fn reseal(lines: &mut [String], start: usize) {
    for index in start..lines.len() {
        let before = chain_of(&lines[index - 1]);
        let seq =
            serde_json::from_str::<serde_json::Value>(&lines[index - 1]).unwrap()["seq"].as_u64().unwrap()
                + 1;
        let line = &lines[index];
        let body = &line[..line.len() - 76];
        let body = format!(r#"{{"seq":{seq},{}"#, body.split_once(',').unwrap().1);
        let chain = Hash::of(&[&before.0[..], body.as_bytes()].concat());
        lines[index] = format!(r#"{body},"chain":"{chain}"}}"#);
    }
}

#[test]
fn a_good_log_is_intact() {
    for options in [
        VerifyOptions::default(),
        VerifyOptions { checkpoint: Some(GOOD.early.clone()), ..VerifyOptions::default() },
        VerifyOptions {
            checkpoint: Some(GOOD.late.clone()),
            public_key: Some(GOOD.key),
            ..VerifyOptions::default()
        },
    ] {
        let report = after(|_| (), &options);
        assert_eq!(report.findings, [], "{:?}", report.findings);
        assert_eq!(report.records, lines(GOOD.dir.path()).len() as u64);
        assert_eq!((report.first, report.last, report.unsigned()), (1, report.records, 0));
        assert_eq!(report.recordings, 2);
        assert!(report.checkpoints >= 4 && report.is_intact());
        assert_eq!(report.key, Some(GOOD.key));
    }
}

#[test]
fn changes_to_lines_are_found() {
    use Kind::*;
    let swap = |from: &'static str, to: &'static str| {
        move |dir: &Path| {
            edit(dir, 1, |lines| {
                let line = lines.iter_mut().find(|line| line.contains(from)).unwrap();
                *line = line.replacen(from, to, 1);
            });
        }
    };
    finds("a decision", &[Changed], swap(r#""decision":"allow""#, r#""decision":"deny""#));
    finds("a member", &[Changed], swap(r#""result":"done""#, r#""result":"failed""#));
    finds("a name", &[Changed], swap(r#""principal":"ana""#, r#""principal":"eve""#));
    finds("a time", &[Changed], swap(r#""time":"20"#, r#""time":"21"#));
    finds("what is no time", &[Malformed], swap(r#""time":"20"#, r#""time":"zz"#));
    finds("white space", &[Changed], swap(r#""rows":1"#, r#""rows": 1"#));
    finds("a number", &[Removed, OutOfPlace], |dir| {
        edit(dir, 1, |lines| {
            let seq = format!(
                r#"{{"seq":{},"#,
                serde_json::from_str::<serde_json::Value>(&lines[4]).unwrap()["seq"]
            );
            lines[4] = lines[4].replacen(&seq, r#"{"seq":9999,"#, 1);
        });
    });
    finds("a link", &[Changed], |dir| {
        edit(dir, 1, |lines| {
            let chain = chain_of(&lines[4]).to_string();
            let other = if chain.starts_with('0') { "1" } else { "0" };
            lines[4] = lines[4].replace(&chain, &format!("{other}{}", &chain[1..]));
        });
    });
    finds("a link in upper case", &[Malformed], |dir| {
        edit(dir, 1, |lines| {
            let chain = chain_of(&lines[4]).to_string();
            lines[4] = lines[4].replace(&chain, &chain.to_uppercase());
        });
    });
    finds("a carriage return", &[Malformed], |dir| edit(dir, 1, |lines| lines[4].push('\r')));
    finds("a line cut", &[Malformed], |dir| edit(dir, 1, |lines| lines[4].truncate(50)));
    finds("a line emptied", &[Malformed], |dir| edit(dir, 1, |lines| lines[4].clear()));
    finds("two lines joined", &[Changed, Removed], |dir| {
        edit(dir, 1, |lines| {
            let next = lines.remove(5);
            lines[4].push_str(&next);
        });
    });
    finds("the last end of line", &[Changed], |dir| {
        let path = segments(dir).pop().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        *bytes.last_mut().unwrap() = b' ';
        fs::write(path, bytes).unwrap();
    });
}

#[test]
fn lines_that_go_come_or_move_are_found() {
    use Kind::*;
    finds("a line removed", &[Removed], |dir| edit(dir, 1, |lines| drop(lines.remove(4))));
    finds("many lines removed", &[Removed], |dir| edit(dir, 1, |lines| drop(lines.drain(2..6))));
    finds("a checkpoint removed", &[Removed], |dir| {
        edit(dir, 1, |lines| {
            lines.remove(lines.iter().position(|line| is(line, "checkpoint")).unwrap()).clear()
        });
    });
    finds("two lines swapped", &[Removed, OutOfPlace], |dir| edit(dir, 1, |lines| lines.swap(4, 5)));
    finds("a line twice", &[OutOfPlace], |dir| edit(dir, 1, |lines| lines.insert(4, lines[3].clone())));
    finds("a line from elsewhere", &[OutOfPlace], |dir| {
        edit(dir, 1, |lines| lines.insert(4, lines[1].clone()))
    });
    finds("a line invented", &[Changed], |dir| {
        edit(dir, 1, |lines| {
            let invented = lines[4].replace(r#""principal":"ana""#, r#""principal":"eve""#);
            lines.insert(4, invented);
        });
    });
    finds("a line of another log", &[Changed], |dir| {
        let other = TempDir::new().unwrap();
        sample(other.path(), 10);
        let foreign = fs::read_to_string(&segments(&other.path().join("evidence"))[1]).unwrap();
        edit(dir, 1, |lines| lines[4] = foreign.lines().nth(4).unwrap().to_owned());
    });
    finds("text that is no record", &[Malformed], |dir| {
        edit(dir, 1, |lines| lines.insert(4, "hello".into()))
    });
    finds("a segment's first line inside", &[OutOfPlace], |dir| {
        edit(dir, 1, |lines| lines.insert(4, lines[0].clone()))
    });
}

#[test]
fn changes_that_are_linked_anew_meet_the_next_checkpoint() {
    use Kind::*;
    let forged = |dir: &Path, change: fn(&mut Vec<String>)| {
        edit(dir, 0, |lines| {
            change(lines);
            reseal(lines, 2);
        });
    };
    finds("a change", &[Rewritten], |dir| {
        forged(dir, |lines| lines[3] = lines[3].replace(r#""principal":"ana""#, r#""principal":"eve""#));
    });
    finds("a removal", &[Rewritten], |dir| forged(dir, |lines| drop(lines.remove(3))));
    finds("an insertion", &[Rewritten], |dir| forged(dir, |lines| lines.insert(3, lines[3].clone())));
    finds("a swap", &[Rewritten], |dir| forged(dir, |lines| lines.swap(3, 4)));
    finds("a change, its checkpoints removed", &[SegmentForged], |dir| {
        forged(dir, |lines| {
            lines.retain(|line| !is(line, "checkpoint"));
            lines[3] = lines[3].replace(r#""principal":"ana""#, r#""principal":"eve""#);
        });
    });
    finds("everything linked anew in all segments, without a checkpoint", &[Rewritten], |dir| {
        let mut all: Vec<String> = Vec::new();
        for (index, path) in segments(dir).iter().enumerate() {
            let text = fs::read_to_string(path).unwrap();
            let mut lines: Vec<_> =
                text.lines().filter(|l| !is(l, "checkpoint")).map(str::to_owned).collect();
            if index > 0 {
                let previous = chain_of(all.last().unwrap()).to_string();
                let start = lines[0].find(r#""previous":""#).unwrap() + 12;
                lines[0].replace_range(start..start + 64, &previous);
            }
            let start = all.len();
            all.extend(lines);
            reseal(&mut all, start.max(1));
            fs::write(path, all[start..].iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        }
    });
}

#[test]
fn forged_checkpoints_are_found() {
    use Kind::*;
    let member = |name: &'static str, value: String| {
        move |dir: &Path| {
            edit(dir, 0, |lines| {
                let at = lines.iter().position(|line| is(line, "checkpoint")).unwrap();
                let start = lines[at].find(&format!(r#""{name}":"#)).unwrap() + name.len() + 3;
                let end = start + lines[at][start..].find(',').unwrap();
                lines[at].replace_range(start..end, &value);
                reseal(lines, at);
            });
        }
    };
    finds("its number", &[CheckpointForged], member("upto", "0".into()));
    finds("its time", &[CheckpointForged], member("signed", r#""2020-01-01T00:00:00.000000Z""#.into()));
    finds("its hash", &[CheckpointForged], member("hash", format!("\"{}\"", "0".repeat(64))));
    finds("its signature", &[CheckpointForged], member("signature", format!("\"{}\"", "0".repeat(128))));
    finds("no signature", &[CheckpointForged], member("signature", "7".into()));
    finds("an older one again", &[Rewritten], |dir| {
        edit(dir, 1, |lines| {
            let at: Vec<_> = (0..lines.len()).filter(|&at| is(&lines[at], "checkpoint")).collect();
            lines[at[1]] = lines[at[0]].clone();
            reseal(lines, at[1]);
        });
    });
    finds("checkpoint.json changed", &[CheckpointForged, Rewritten], |dir| {
        let path = dir.join("checkpoint.json");
        let text = fs::read_to_string(&path).unwrap();
        let hash = GOOD.late.hash.to_string();
        fs::write(path, text.replace(&hash, &Hash::of(b"").to_string())).unwrap();
    });
    finds("checkpoint.json emptied", &[CheckpointFile], |dir| {
        fs::write(dir.join("checkpoint.json"), "").unwrap()
    });
    finds("checkpoint.json removed", &[CheckpointFile], |dir| {
        fs::remove_file(dir.join("checkpoint.json")).unwrap()
    });
}

#[test]
fn segments_that_go_or_move_are_found() {
    use Kind::*;
    finds("the first", &[SegmentMissing], |dir| fs::remove_file(&segments(dir)[0]).unwrap());
    finds("a middle one", &[SegmentMissing, Removed], |dir| fs::remove_file(&segments(dir)[1]).unwrap());
    finds("the last", &[Truncated], |dir| fs::remove_file(segments(dir).last().unwrap()).unwrap());
    finds("all", &[SegmentMissing], |dir| {
        segments(dir).iter().for_each(|path| fs::remove_file(path).unwrap())
    });
    finds("emptied", &[Removed], |dir| fs::write(&segments(dir)[1], "").unwrap());
    finds("two exchanged", &[SegmentForged], |dir| {
        let paths = segments(dir);
        fs::rename(&paths[0], dir.join("x")).unwrap();
        fs::rename(&paths[1], &paths[0]).unwrap();
        fs::rename(dir.join("x"), &paths[1]).unwrap();
    });
    finds("one copied to the end", &[SegmentForged, OutOfPlace], |dir| {
        let paths = segments(dir);
        fs::copy(&paths[0], dir.join(format!("audit-{:08}.ndjson", paths.len() + 1))).unwrap();
    });
    finds("one of another log", &[SegmentForged, Replaced], |dir| {
        let other = TempDir::new().unwrap();
        sample(other.path(), 10);
        fs::copy(&segments(&other.path().join("evidence"))[1], &segments(dir)[1]).unwrap();
    });
    finds("cut off at its end", &[Truncated], |dir| {
        let last = segments(dir).len() - 1;
        edit(dir, last, |lines| lines.truncate(3));
    });
}

#[test]
fn archived_segments_are_a_notice_where_that_is_said() {
    let options =
        VerifyOptions { pruned: true, checkpoint: Some(GOOD.late.clone()), ..VerifyOptions::default() };
    let report = after(|dir| fs::remove_file(&segments(dir)[0]).unwrap(), &options);
    assert_eq!(kinds(&report), [Kind::Pruned], "{:?}", report.findings);
    assert!(report.is_intact() && report.first > 1);
    let report = after(|dir| fs::remove_file(&segments(dir)[1]).unwrap(), &options);
    assert!(kinds(&report).contains(&Kind::SegmentMissing), "only the oldest may be archived");
}

/// Puts the directory back to an earlier state of the same log, `checkpoint.json` included.
fn roll_back(dir: &Path) {
    let end = format!(r#""upto":{},"#, GOOD.early.upto);
    let mut ended = false;
    for path in segments(dir) {
        if ended {
            fs::remove_file(path).unwrap();
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let mut kept = String::new();
        for line in text.lines() {
            kept += &format!("{line}\n");
            ended = is(line, "checkpoint") && line.contains(&end);
            if ended {
                break;
            }
        }
        fs::write(path, kept).unwrap();
    }
    fs::write(dir.join("checkpoint.json"), serde_json::to_vec(&GOOD.early).unwrap()).unwrap();
}

/// A log of someone else's, in place of this one.
fn replace(dir: &Path) {
    let other = TempDir::new().unwrap();
    sample(other.path(), 40);
    fs::remove_dir_all(dir).unwrap();
    copy(&other.path().join("evidence"), dir);
}

#[test]
fn a_checkpoint_kept_elsewhere_finds_what_the_log_alone_cannot() {
    let alone = VerifyOptions::default();
    let with =
        |checkpoint: &Checkpoint| VerifyOptions { checkpoint: Some(checkpoint.clone()), ..alone.clone() };
    // These two are exactly what the documentation says can't be seen without one.
    assert!(after(roll_back, &alone).is_intact(), "{:?}", after(roll_back, &alone).findings);
    assert!(after(replace, &alone).is_intact());

    let report = after(roll_back, &with(&GOOD.late));
    assert_eq!(kinds(&report), [Kind::Truncated], "{:?}", report.findings);
    let said = report.findings[0].to_string();
    assert!(said.contains(&format!("vouches for record {}", GOOD.late.upto)), "{said}");
    assert!(kinds(&after(replace, &with(&GOOD.late))).contains(&Kind::Replaced));
    let key = VerifyOptions { public_key: Some(GOOD.key), ..alone.clone() };
    assert!(kinds(&after(replace, &key)).contains(&Kind::Replaced), "the public key is enough for that");

    let mut forged = GOOD.late.clone();
    forged.upto -= 1;
    assert!(kinds(&after(|_| (), &with(&forged))).contains(&Kind::CheckpointForged));
}

#[test]
fn recordings_are_held_against_the_log() {
    let file = |dir: &Path| dir.join("recordings/s1.ndjson.zst");
    finds("changed", &[Kind::Recording], |dir| {
        let mut bytes = fs::read(file(dir)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(file(dir), bytes).unwrap();
    });
    finds("cut off", &[Kind::Recording], |dir| fs::write(file(dir), b"").unwrap());
    finds("removed", &[Kind::Recording], |dir| fs::remove_file(file(dir)).unwrap());
    finds("exchanged", &[Kind::Recording], |dir| {
        fs::copy(dir.join("recordings/s2.ndjson.zst"), file(dir)).unwrap();
    });
    finds("planted", &[Kind::RecordingUnknown], |dir| {
        fs::copy(file(dir), dir.join("recordings/s9.ndjson.zst")).unwrap();
    });
    let skip = VerifyOptions { skip_recordings: true, ..VerifyOptions::default() };
    assert!(after(|dir| fs::remove_file(file(dir)).unwrap(), &skip).is_intact());
}

#[test]
fn a_torn_end_is_a_notice_and_stays_one_after_recovery() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    let evidence = dir.path().join("evidence");
    let path = &segments(&evidence)[0];
    let torn = [&fs::read(path).unwrap()[..], br#"{"seq":4,"ti"#].concat();
    fs::write(path, torn).unwrap();
    let report = verify(&evidence, &VerifyOptions::default()).unwrap();
    assert_eq!((kinds(&report), report.is_intact()), (vec![Kind::Torn], true));
    drop(open(dir.path()).unwrap());
    let report = verify(&evidence, &VerifyOptions::default()).unwrap();
    assert_eq!((kinds(&report), report.is_intact()), (vec![Kind::Recovered], true));
}

#[test]
fn a_log_in_use_verifies() {
    let dir = TempDir::new().unwrap();
    let log = open(dir.path()).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for command in 0..5000 {
                log.append_one(&Scope::gateway(), &outcome(command)).unwrap();
            }
        });
        while !writer.is_finished() {
            let report = verify(log.directory(), &VerifyOptions::default()).unwrap();
            assert!(report.is_intact(), "{:?}", report.findings);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// No bit of any segment can be turned without being found.
    #[test]
    fn any_flipped_bit_is_found(segment in 0_usize..3, place in 0.0_f64..1.0, bit in 0_u8..8) {
        let report = after(|dir| {
            let path = &segments(dir)[segment];
            let mut bytes = fs::read(path).unwrap();
            let at = (place * bytes.len() as f64) as usize;
            bytes[at] ^= 1 << bit;
            fs::write(path, bytes).unwrap();
        }, &VerifyOptions::default());
        prop_assert!(!report.is_intact());
    }
}
