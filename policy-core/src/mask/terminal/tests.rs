use proptest::prelude::*;

use crate::mask::tests::splits::{detectors, texts, whole};
use crate::mask::tests::{all, key};
use crate::mask::*;

fn masked<'t>(detectors: &Detectors, pieces: impl IntoIterator<Item = &'t [u8]>) -> Vec<u8> {
    let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
    for piece in pieces {
        masker.push(detectors, &key(), piece, &mut out);
        assert!(masker.held() <= TerminalMasker::MAX_HELD, "{} bytes held", masker.held());
    }
    masker.finish(detectors, &key(), &mut out);
    assert_eq!(masker.held(), 0);
    out
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace('\x1b', "␛").replace('\x08', "␈")
}

fn typed(text: &str) -> Vec<u8> {
    text.replace('␛', "\x1b").replace('␈', "\x08").replace('␇', "\x07").into_bytes()
}

#[test]
fn finds_are_masked_through_what_does_not_move_the_cursor() {
    #[rustfmt::skip]
    let cases: &[(&str, &str, &str)] = &[
        ("plain", "pay 4111 1111 1111 1111.", "pay [redacted]."),
        ("coloured in the middle", "␛[31m4111␛[0m 1111 1111 1111.", "␛[31m[redacted]␛[0m."),
        ("coloured all over", "4␛[1m1␛[2m1␛[3m1␛[4m 1111 1111 1111␛[0m.", "[redacted]␛[1m␛[2m␛[3m␛[4m␛[0m."),
        ("found by grep", "x ␛[01;31m␛[Kana@␛[m␛[Kexample.com y", "x ␛[01;31m␛[K[redacted]␛[m␛[K y"),
        ("modes", "ana@␛[?25lexample␛[?2004h.com ", "[redacted]␛[?25l␛[?2004h "),
        ("another character set", "ana@␛(Bexample.com ", "[redacted]␛(B "),
        ("a title in the middle", "ana@␛]0;title␇example.com ", "[redacted]␛]0;title␇ "),
        ("in a title", "␛]0;ana@example.com␇$ ", "␛]0;[redacted]␇$ "),
        ("in a link", "␛]8;;https://x/?u=ana@example.com␛\\here␛]8;;␛\\ ", "␛]8;;https://x/?u=[redacted]␛\\here␛]8;;␛\\ "),
        ("to the right over blanks", "4111␛[C1111␛[1C1111␛[C1111.", "[redacted]␛[C␛[1C␛[C."),
        ("elsewhere on the screen", "4111 1111␛[5;1H1111 1111.", "4111 1111␛[5;1H1111 1111."),
        ("a line by cursor", "ana@␛[2;1Hexample.com ", "ana@␛[2;1Hexample.com "),
        ("a key by cursor", "␛[1;1H-----BEGIN PRIVATE KEY-----␛[2;1HMC4C␛[3;1H-----END PRIVATE KEY-----␛[4;1Hx", "␛[1;1H[redacted]␛[2;1H␛[3;1H␛[4;1Hx"),
        ("overstruck", "NAME 4␈41␈11␈11␈1 1111 1111 1111.", "NAME [redacted]."),
        ("underlined", "_␈a_␈n_␈a@example.com ", "[redacted] "),
        ("corrected while typed", "ana@exq␈ ␈ample.com ", "[redacted] "),
        ("corrected by readline", "ana@exq␈␛[Kample.com ", "[redacted]␛[K "),
        ("struck out is not said", "41111␈ 1111 1111 1111.", "[redacted]."),
        ("back over what is there", "4111 1111␈␈␈x", "4111 1111␈␈␈x"),
        ("returned", "4111 1111\r1111 1111.", "4111 1111\r1111 1111."),
        ("pasted", "␛[200~4111 1111 1111 1111␛[201~\r\n", "␛[200~[redacted]␛[201~\r\n"),
        ("cut off", "4111␛[3␛[0m 1111 1111 1111.", "[redacted]␛[3␛[0m."),
        ("cut off by a control", "x␛[3\r\nana@example.com ", "x␛[3\r\n[redacted] "),
        ("cancelled", "␛]0;x\x18ana@example.com ", "␛]0;x\x18[redacted] "),
        ("alone", "ana@␛", "ana@␛"),
        ("not the end", "4111 1111 1111 1111␛[0", "[redacted]␛[0"),
    ];
    let detectors = all(Transform::Redact);
    for (name, text, expected) in cases {
        let text = typed(text);
        assert_eq!(shown(&masked(&detectors, [&text[..]])), shown(&typed(expected)), "{name}");
        assert_eq!(
            shown(&masked(&detectors, text.chunks(1))),
            shown(&typed(expected)),
            "{name}, by the byte"
        );
    }
}

#[test]
fn secrets_split_across_packets_are_masked() {
    let detectors = detectors();
    let text = b"a \x1b[1m4111\x1b[0m 1111 1111 1111, ana@example.com, the password of a target\r\n";
    let whole = masked(detectors, [&text[..]]);
    for at in 0..=text.len() {
        let (left, right) = text.split_at(at);
        assert_eq!(shown(&masked(detectors, [left, right])), shown(&whole), "split at {at}");
    }
    assert!(
        !shown(&whole).contains("4111")
            && !shown(&whole).contains("ana@")
            && !shown(&whole).contains("target")
    );
}

/// Pushes, with a pause behind each piece; what was seen after each.
fn paused(detectors: &Detectors, pieces: &[&str]) -> Vec<String> {
    let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
    let mut seen = Vec::new();
    for piece in pieces {
        out.clear();
        masker.push(detectors, &key(), &typed(piece), &mut out);
        masker.settle(detectors, &key(), &mut out);
        seen.push(shown(&out));
    }
    out.clear();
    masker.finish(detectors, &key(), &mut out);
    seen.push(shown(&out));
    seen
}

#[test]
fn prompts_and_echoes_are_seen_at_once() {
    let all = all(Transform::Redact);
    for prompt in [
        "user@host:~$ ",
        "␛[01;32muser@host␛[00m:␛[01;34m~␛[00m$ ",
        "[ana@host ~]$ ",
        "Password: ",
        "ana@host's password: ",
        "Secret Access Key: ",
        "Authorization: ",
        "Bearer ",
        "2024-01-15 10:30 ",
        "192.168.100.200",
        "sh-5.2# ",
        ">>> ",
        "(END)",
        "[sudo] password for ana: ",
        "half a wo",
        "50 %␈␈",
        "123456",
        "x␈",
        "␛[?2004h␛]0;ana@host: ~␇ana@host:~$ ",
    ] {
        assert_eq!(paused(&all, &[prompt]), [prompt.replace('␇', "\x07"), String::new()], "{prompt}");
    }
    // Typed: what is echoed is seen, character by character.
    for line in
        ["ssh root@web-1.example.org", "ping 192.168.100.200", "git show de89ab12", "date +1700000000"]
    {
        let echoes: Vec<String> = line.chars().map(String::from).collect();
        let echoes: Vec<&str> = echoes.iter().map(String::as_str).collect();
        let seen = paused(&all, &echoes);
        assert_eq!(seen[..echoes.len()], echoes[..], "{line}");
    }
}

#[test]
fn a_pause_shows_no_beginning_of_a_find() {
    let all =
        all(Transform::Redact).with_literals(Literals::new([&b"the password of a target"[..]]).unwrap());
    #[rustfmt::skip]
    let cases: &[(&str, &[&str], &[&str])] = &[
        ("a card", &["pay 4111 1111 ", "1111 1111", "!"], &["pay ", "", "[redacted]!", ""]),
        ("a card, coloured", &["␛[1m4111 11␛[0m11 ", "1111 1111", "!"], &["␛[1m", "", "[redacted]␛[0m!", ""]),
        ("an address", &["to ana@exa", "mple.com", " "], &["to ", "", "[redacted] ", ""]),
        ("a token", &["t=eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxIn0.abcd", " "], &["t=", "", "[redacted] ", ""]),
        ("a header", &["Authorization: Bearer abc", "def\r\n"], &["Authorization: Bearer ", "[redacted]\r\n", ""]),
        ("a private key", &["-----BEGIN PRIVATE KEY-----\n", "MC4C\n", "x!"], &["", "", "[redacted]!", ""]),
        ("an account", &["DE89 3704 0044", " 0532 0130 00!"], &["", "[redacted]!", ""]),
        ("a key's id", &["AKIAIOSFOD", "NN7EXAMPLE\n"], &["", "[redacted]\n", ""]),
        ("a known secret", &["the password", " of a ", "target"], &["", "", "[redacted]", ""]),
        ("at the end", &["4111 1111 1111 1111"], &["", "[redacted]"]),
        // What a slow writer can do, as documented.
        ("less than seven digits", &["4111 11", "11 1111 1111!"], &["4111 11", "[redacted]!", ""]),
        ("slowly", &["4111 11", "11 ", "11", "11 ", "11", "11", "!"], &["4111 11", "11 ", "11", "11 ", "11", "11", "!"]),
    ];
    for (name, pieces, expected) in cases {
        let seen = paused(&all, pieces);
        let seen: Vec<&str> = seen.iter().map(String::as_str).collect();
        assert_eq!(seen.get(..expected.len()), Some(*expected), "{name}: {seen:?}");
    }
}

#[test]
fn what_waits_too_long_is_released_masked_and_what_continues_it_is_swallowed() {
    let all = all(Transform::Redact);
    let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
    let mut step = |text: &str| {
        out.clear();
        masker.push(&all, &key(), &typed(text), &mut out);
        masker.settle(&all, &key(), &mut out);
        masker.release(&all, &key(), &mut out);
        assert_eq!(masker.held(), 0);
        shown(&out)
    };
    assert_eq!(step("card 4111 1111 1111 1111"), "card [redacted]");
    assert_eq!(step(", name@exam"), ", name@exam");
    assert_eq!(step("ple.com Authorization: Bearer abc"), "[redacted] Authorization: Bearer [redacted]");
    assert_eq!(step("def"), "");
    assert_eq!(step("ghi\r\n"), "\r\n");
    assert_eq!(step("␛[3"), "␛[3");
    assert_eq!(step("1m␛]0;ti"), "1m␛]0;ti");
}

/// What parts no text, and says nothing that could be found.
#[rustfmt::skip]
const TRANSPARENT: &[&str] = &[
    "\x1b[0m", "\x1b[31;1m", "\x1b[38;2;1;2;3m", "\x1b[K", "\x1b[?25l", "\x1b[?1049h", "\x1b(B", "\x1b=", "\x1b>", "\x1b7", "\x1b[6n",
    "\x1b]0;a title\x07", "\x1b]8;;file:x\x1b\\", "\x1bP1$r\x1b\\", "\x1b_Gi\x1b\\", "\x1b]x\x18", "\x1b#8",
];

#[rustfmt::skip]
const OTHERS: &[&str] = &[
    "\x1b", "\x1b[", "\x1b]", "\x1b]0;", "\x1bP", "\x07", "\x18", "\x08", "\x08 \x08", "\r", "\x1b[C", "\x1b[5C", "\x1b[2;3H", "\x1b[A",
    "\x1b[2J", "\x1bM", "\x1bc", "\x1b[3", "4\x08", "a\x08", "\x1b]0;ana@example.com\x07", "\x1b\\", "\u{9b}31m",
];

fn with_sequences(pieces: usize, among: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let sequence = proptest::sample::select(among).prop_map(|piece| piece.as_bytes().to_vec());
    // Cuts of text at random places, so that sequences stand inside tokens.
    (texts(pieces), proptest::collection::vec((any::<prop::sample::Index>(), sequence), 0..30)).prop_map(
        |(mut text, sequences)| {
            for (at, sequence) in sequences {
                let at = at.index(text.len() + 1);
                text.splice(at..at, sequence);
            }
            text
        },
    )
}

fn without_transparent(text: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some((first, behind)) = rest.split_first() {
        match TRANSPARENT.iter().find(|sequence| rest.starts_with(sequence.as_bytes())) {
            Some(sequence) => rest = &rest[sequence.len()..],
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    out
}

fn cut<'t>(text: &'t [u8], cuts: &[usize]) -> Vec<&'t [u8]> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    for length in cuts.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, others) = rest.split_at(rest.len().min(*length));
        pieces.push(piece);
        rest = others;
    }
    pieces
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_split_changes_anything(
        text in with_sequences(40, OTHERS),
        more in with_sequences(40, TRANSPARENT),
        cuts in proptest::collection::vec(1usize..40, 1..40),
    ) {
        let text = [text, more].concat();
        let expected = shown(&masked(detectors(), [&text[..]]));
        prop_assert_eq!(&shown(&masked(detectors(), cut(&text, &cuts))), &expected);
        prop_assert_eq!(&shown(&masked(detectors(), text.chunks(1))), &expected);
    }

    #[test]
    fn text_is_masked_as_a_single_value_is(text in texts(60)) {
        let text: Vec<u8> = text.into_iter().filter(|byte| !matches!(byte, 0x1b | 0x08)).collect();
        prop_assert_eq!(shown(&masked(detectors(), text.chunks(7))), shown(&whole(detectors(), &text)));
    }

    #[test]
    fn sequences_that_do_not_move_the_cursor_hide_nothing(text in with_sequences(40, TRANSPARENT)) {
        // Where a random byte or a sequence inside a sequence makes something else of it, there is nothing to compare.
        let plain = without_transparent(&text);
        prop_assume!(!plain.iter().any(|byte| matches!(byte, 0x1b | 0x08)));
        let out = without_transparent(&masked(detectors(), text.chunks(5)));
        prop_assert_eq!(shown(&out), shown(&whole(detectors(), &plain)));
    }

    #[test]
    fn nothing_is_lost_or_reordered_where_nothing_is_found(
        text in with_sequences(40, OTHERS),
        cuts in proptest::collection::vec(1usize..40, 1..40),
        pauses in any::<u64>(),
    ) {
        let none = Detectors::new(&[]).unwrap();
        prop_assert_eq!(&masked(&none, cut(&text, &cuts)), &text);
        // A detector of something that is not there, so that text is held back and let go of in all ways.
        let keys = Detectors::new(&[(Detector::PrivateKey, Transform::Redact)]).unwrap();
        let text: Vec<u8> = text.into_iter().filter(|byte| *byte != b'B').collect();
        let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
        for (at, piece) in cut(&text, &cuts).into_iter().enumerate() {
            masker.push(&keys, &key(), piece, &mut out);
            match pauses >> (at % 32 * 2) & 3 {
                0 => masker.settle(&keys, &key(), &mut out),
                1 => masker.release(&keys, &key(), &mut out),
                _ => 0,
            };
        }
        masker.finish(&keys, &key(), &mut out);
        prop_assert_eq!(shown(&out), shown(&text));
    }
}

#[test]
fn a_sequence_that_does_not_end_is_text() {
    let all = all(Transform::Redact);
    let long = [b"\x1b]0;", &vec![b'x'; 5000][..], b" ana@example.com "].concat();
    for pieces in [vec![&long[..]], long.chunks(1).collect(), long.chunks(1000).collect()] {
        let out = masked(&all, pieces);
        assert!(out.starts_with(b"\x1b]0;xxx") && out.ends_with(b"x [redacted] "), "{}", shown(&out));
        assert_eq!(out.len(), long.len() - "ana@example.com".len() + "[redacted]".len());
    }
    let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
    masker.push(&all, &key(), &long[..4000], &mut out);
    assert_eq!((out.len(), masker.held()), (0, 4000));
    masker.push(&all, &key(), &long[4000..4200], &mut out);
    assert!(masker.held() < 200, "{}", masker.held());
}

#[test]
fn sequences_between_held_text_are_bounded() {
    let all = all(Transform::Redact);
    let (mut masker, mut out) = (TerminalMasker::default(), Vec::new());
    let mut most = 0;
    masker.push(&all, &key(), b"4111 1111 ", &mut out);
    for _ in 0..200_000 {
        masker.push(&all, &key(), b"\x1b[1m\x1b[0m", &mut out);
        most = most.max(masker.held());
    }
    assert!(most <= TerminalMasker::MAX_HELD && most > 200 * 1024, "{most}");
    masker.finish(&all, &key(), &mut out);
    assert_eq!(out.len(), 10 + 200_000 * 8);
}
