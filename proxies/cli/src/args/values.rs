//! What single words of the command line are read as, and what is said of those that are no such thing.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// A session's id: hexadecimal digits. What is none of any session is the command's to say.
pub(super) fn session(text: &str) -> Result<String, String> {
    let is_id = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| text.to_ascii_lowercase()).ok_or_else(|| {
        "that is no session's id, which has 16 hexadecimal digits: `portcullis sessions` lists those that are open, \
         `portcullis replay` all"
            .to_owned()
    })
}

fn number(text: &str, what: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("that is no number: {what}"))
}

pub(super) fn approval(text: &str) -> Result<u64, String> {
    number(text, "`portcullis approvals` lists what waits, by number")
}

pub(super) fn token(text: &str) -> Result<u64, String> {
    number(text, "`portcullis token list` lists tokens by number; a token's text is not taken here")
}

pub(super) fn command(text: &str) -> Result<u64, String> {
    number(text, "`portcullis replay SESSION --events` lists commands by number")
}

pub(super) fn socket(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "that is no address and port: write one such as 127.0.0.1:6432 or [::1]:6432".to_owned())
}

pub(super) fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "that is no IP address: write one such as 10.0.0.7 or 2001:db8::7".to_owned())
}

/// A name that a path can begin with.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_plain = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    is_plain.then(|| text.to_owned()).ok_or_else(|| {
        "that can't begin a path: 1 to 63 letters, digits, `-` and `_`, such as billing".to_owned()
    })
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed: &f64| speed.is_finite() && *speed > 0.0);
    speed.ok_or_else(|| format!("`{text}` is no speed: write a number above 0, such as 2 or 0.5"))
}

/// `90`, `1.5`, `1:30`, `1:00:00.5`.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no time: write seconds, such as 90 or 1.5, or 1:30, or 1:00:00");
    let mut seconds = 0.0;
    for (at, part) in text.split(':').enumerate() {
        let value: f64 = part.parse().map_err(|_| wrong())?;
        if at > 2 || value.is_sign_negative() || at > 0 && value >= 60.0 {
            return Err(wrong());
        }
        seconds = seconds * 60.0 + value;
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong())
}

/// The longest that a token may last, in days.
const MOST_DAYS: u64 = 365;

/// `45m`, `12h`, `30d`.
pub(super) fn lifetime(text: &str) -> Result<Duration, String> {
    let wrong = || {
        format!(
            "a token ends, at the latest after {MOST_DAYS} days: write a whole number and `s`, `m`, `h` or `d`, such as 12h \
             or 30d"
        )
    };
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(at);
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    let time = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds)).ok_or_else(wrong)?;
    if time == 0 || time > MOST_DAYS * 86_400 { Err(wrong()) } else { Ok(Duration::from_secs(time)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_last_for_a_year_at_most() {
        let cases = [("90d", 90 * 86_400), ("12h", 43_200), ("45m", 2700), ("1s", 1), ("365d", 365 * 86_400)];
        for (text, seconds) in cases {
            assert_eq!(lifetime(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "never", "30", "0d", "366d", "-1d", "1.5h", "1y", "d", "99999999999999999999d", "1d "]
        {
            assert!(lifetime(text).is_err_and(|why| why.contains("365 days")), "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_a_clocks() {
        let cases = [("90", 90.0), ("1.5", 1.5), ("1:30", 90.0), ("1:00:00.5", 3600.5), ("0", 0.0)];
        for (text, seconds) in cases {
            assert_eq!(time(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        for text in ["", "x", "-1", "1:60", "1:2:3:4", "1e300", "NaN", "inf", ":"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
