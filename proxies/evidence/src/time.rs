//! Instants, written as RFC 3339 in UTC with microseconds: always 27 characters.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Microseconds since the Unix epoch. Written as `2026-11-23T01:19:00.123456Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(u64);

const SECOND: u64 = 1_000_000;
const DAY: u64 = 86_400;
/// The first instant of the year 10000, which the form can no longer write.
const END: u64 = 253_402_300_800 * SECOND;

impl Timestamp {
    /// How many bytes the written form takes.
    pub(crate) const WIDTH: usize = 27;

    /// The clock's time; times before 1970 and after 9999 read as those bounds.
    pub fn now() -> Self {
        Self::from_micros(UNIX_EPOCH.elapsed().unwrap_or_default().as_micros().try_into().unwrap_or(u64::MAX))
    }

    /// From microseconds since the Unix epoch, capped at the end of the year 9999.
    pub const fn from_micros(micros: u64) -> Self {
        Self(if micros < END { micros } else { END - 1 })
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// How long ago `earlier` was; zero if it is later than this.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Writes the 27 characters.
    pub(crate) fn encode(self) -> [u8; Self::WIDTH] {
        let mut text = *b"0000-00-00T00:00:00.000000Z";
        let seconds = self.0 / SECOND;
        let (year, month, day) = civil(seconds / DAY);
        let fields = [
            (0, 4, year),
            (5, 2, month),
            (8, 2, day),
            (11, 2, seconds % DAY / 3600),
            (14, 2, seconds % 3600 / 60),
            (17, 2, seconds % 60),
            (20, 6, self.0 % SECOND),
        ];
        for (start, width, mut value) in fields {
            for digit in text.iter_mut().skip(start).take(width).rev() {
                *digit = b'0' + (value % 10) as u8;
                value /= 10;
            }
        }
        text
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_micros(since.as_micros().try_into().unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.encode()).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let number = |start: usize, width: usize| {
            let digits = text.get(start..start + width).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
            digits.and_then(|digits| digits.parse::<u64>().ok()).ok_or(NotATime)
        };
        let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
        let of_day = number(11, 2)? * 3600 + number(14, 2)? * 60 + number(17, 2)?;
        if !(1970..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
            return Err(NotATime);
        }
        let time = Self((days(year, month, day) * DAY + of_day) * SECOND + number(20, 6)?);
        // Whatever does not come out as it went in (a thirteenth hour's 61st minute, other separators) is no time.
        if time.encode() == text.as_bytes() { Ok(time) } else { Err(NotATime) }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.encode()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The text is not a time of the form `2026-11-23T01:19:00.123456Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a time such as `2026-11-23T01:19:00.123456Z`")]
pub struct NotATime;

/// Days since 1970-01-01 to year, month, day (Hinnant, "chrono-compatible low-level date algorithms").
const fn civil(days: u64) -> (u64, u64, u64) {
    let z = days + 719_468;
    let era = z / 146_097;
    let of_era = z % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + (month <= 2) as u64, month, day)
}

/// The inverse of [`civil`], for years from 1970.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - (month <= 2) as u64;
    let era = year / 400;
    let of_era = year % 400;
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_rfc_3339_and_read_back() {
        for (micros, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000_001, "2000-02-29T00:00:00.000001Z"),
            (1_795_396_740_123_456, "2026-11-23T01:19:00.123456Z"),
            (END - 1, "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-02-30T00:00:00.000000Z",
            "2026-11-23T25:00:00.000000Z",
            "2026-11-23 01:19:00.123456Z",
            "2026-11-23T01:19:00.123456z",
            "1969-12-31T23:59:59.999999Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(NotATime), "{text}");
        }
    }
}
