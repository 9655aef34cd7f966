//! Every decoder, on what is whole, cut, too long, or no text.

use proptest::prelude::*;

use super::Malformed;
use super::bind::{Bind, Format};
use super::describe::Named;
use super::execute::Execute;
use super::parameter_status::ParameterStatus;
use super::parse::Parse;
use super::query::Query;
use super::startup::First;
use super::{backend::Backend, frame, frontend::Caps, frontend::Frontend};

/// A decoder's name, a body that it takes whole, and itself.
type Case = (&'static str, &'static [u8], fn(&[u8]) -> Result<(), Malformed>);

const CASES: &[Case] = &[
    ("query", b"SELECT 1\0", |body| Query::decode(body).map(drop)),
    ("empty query", b"\0", |body| Query::decode(body).map(drop)),
    ("parse", b"name\0SELECT $1\0\0\x02\0\0\0\x17\0\0\0\0", |body| Parse::decode(body).map(drop)),
    ("bind", BIND, |body| Bind::decode(body).map(drop)),
    ("bind without anything", b"\0\0\0\0\0\0\0\0", |body| Bind::decode(body).map(drop)),
    ("describe", b"Sname\0", |body| Named::decode(body).map(drop)),
    ("close", b"P\0", |body| Named::decode(body).map(drop)),
    ("execute", b"portal\0\0\0\0\x0a", |body| Execute::decode(body).map(drop)),
    ("setting", b"TimeZone\0UTC\0", |body| ParameterStatus::decode(body).map(drop)),
    ("startup", b"\0\x03\0\0user\0ann\0\0", |body| First::decode(body).map(drop)),
    ("request for TLS", b"\x04\xd2\x16\x2f", |body| First::decode(body).map(drop)),
];

const BIND: &[u8] = b"p\0s\0\0\x02\0\0\0\x01\0\x02\0\0\0\x03abc\xff\xff\xff\xff\0\x01\0\x01";

#[test]
fn whole_bodies_are_taken() {
    for (name, body, decode) in CASES {
        assert_eq!(decode(body), Ok(()), "{name}");
    }
}

#[test]
fn cut_bodies_are_refused_wherever_the_cut_is() {
    for (name, body, decode) in CASES {
        for end in 0..body.len() {
            assert!(decode(&body[..end]).is_err(), "{name} cut at {end}");
        }
    }
}

#[test]
fn bytes_behind_the_last_field_are_refused() {
    for (name, body, decode) in CASES {
        // A zero byte, a letter, and a whole message that a laxer decoder would go on with.
        for behind in [&b"\0"[..], b"x", b"Q\0\0\0\x0aDROP x\0"] {
            let long = [body, behind].concat();
            assert!(decode(&long).is_err(), "{name}");
        }
    }
}

#[test]
fn text_that_is_not_utf_8_is_refused() {
    // A lone continuation byte, an overlong slash, half a surrogate pair, a Shift-JIS character that ends in a backslash.
    for bytes in [&b"\x80"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\x95\x5c"] {
        let query = [b"SELECT '", bytes, b"'\0"].concat();
        assert_eq!(Query::decode(&query), Err(Malformed::Encoding));
        let parse = [b"\0SELECT '", bytes, b"'\0\0\0"].concat();
        assert_eq!(Parse::decode(&parse), Err(Malformed::Encoding));
        let describe = [b"S", bytes, b"\0"].concat();
        assert_eq!(Named::decode(&describe), Err(Malformed::Encoding));
    }
}

#[test]
fn a_bind_gives_its_values_with_their_formats() {
    let bind = Bind::decode(BIND).unwrap();
    assert_eq!((bind.portal, bind.statement), ("p", "s"));
    let values: Vec<_> = bind.values().collect();
    assert_eq!(values, [(Format::Text, Some(&b"abc"[..])), (Format::Binary, None)]);
    assert_eq!(
        (bind.result_format(0), bind.result_format(9)),
        (Format::Binary, Format::Binary),
        "one for all"
    );
}

#[test]
fn impossible_fields_are_refused() {
    let lengths = b"\0\0\0\0\0\x01\xff\xff\xff\xfe\0\0";
    assert_eq!(Bind::decode(lengths), Err(Malformed::Field("parameter length")), "a length of -2");
    assert_eq!(Bind::decode(b"\0\0\0\x01\0\x02\0\0\0\0"), Err(Malformed::Field("format code")));
    let formats = b"\0\0\0\x02\0\0\0\0\0\x01\0\0\0\0\0\0";
    assert_eq!(Bind::decode(formats), Err(Malformed::Field("parameter format codes")), "two for one value");
    assert_eq!(Named::decode(b"X\0"), Err(Malformed::Field("kind")));
    for version in [b"\0\x02\0\0", b"\0\x04\0\0", b"\x01\x03\0\0"] {
        let packet = [&version[..], b"user\0a\0\0"].concat();
        assert_eq!(First::decode(&packet), Err(Malformed::Field("protocol version")));
    }
    for length in [0, 3, 257] {
        let cancel = [&b"\x04\xd2\x16\x2e\0\0\0\x01"[..], &vec![7; length]].concat();
        assert_eq!(First::decode(&cancel), Err(Malformed::Field("cancel key")), "{length}");
    }
}

#[test]
fn only_known_types_are_read() {
    let known = |is: fn(u8) -> bool| (0..=u8::MAX).filter(|tag| is(*tag)).map(char::from).collect::<String>();
    assert_eq!(known(|tag| Frontend::from_tag(tag).is_ok()), "BCDEFHPQSXcdf");
    let backend = |tag| Backend::from_header(frame::Header { tag, body: 0 }).is_ok();
    assert_eq!(known(backend), "123ACDEGHINSTZcdnst");
}

proptest! {
    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, _, decode) in CASES {
            let _ = decode(&bytes);
        }
        if let Ok(bind) = Bind::decode(&bytes) {
            let _ = bind.values().count();
        }
        if let Ok(Some(header)) = frame::header(&bytes) {
            let caps = Caps { statement: 100, bind: 100 };
            let _ = Frontend::from_tag(header.tag).and_then(|kind| kind.handling(header, caps));
            let _ = Backend::from_header(header);
        }
    }
}
