//! Requests as fast as they are answered, sent by `h2load`.

use std::error::Error;
use std::process::Command;

use crate::ways::Way;

/// A version of HTTP, and how many requests are under way: 32 connections, over HTTP/2 with 4 streams each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Version {
    One,
    Two,
}

impl Version {
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "HTTP/1.1",
            Self::Two => "HTTP/2",
        }
    }
}

/// How many requests a second one way answers. Any answer but 200 is a failure of the benchmark.
pub fn requests_a_second(way: &Way, version: Version, seconds: u32) -> Result<f64, Box<dyn Error>> {
    let [one, two] = way.ports;
    let (port, arguments): (u16, &[&str]) =
        if version == Version::One { (one, &["--h1", "-c32"]) } else { (two, &["-c32", "-m4"]) };
    let mut command = Command::new("h2load");
    command.args(arguments).args(["-D", &seconds.to_string()]);
    if let Some(token) = &way.token {
        command.arg("-H").arg(format!("authorization: Bearer {token}"));
    }
    let output = command
        .arg(format!("http://127.0.0.1:{port}/order.json"))
        .output()
        .map_err(|error| format!("h2load: {error}: `scripts/packages bench` installs it"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes = said.lines().find(|line| line.starts_with("status codes:")).ok_or("h2load said nothing")?;
    let words: Vec<&str> = codes.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let counted: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    match counted[..] {
        [good, 0, 0, 0] if good > 0 => Ok(good as f64 / f64::from(seconds)),
        _ => Err(format!("{}: {codes}", way.name).into()),
    }
}
