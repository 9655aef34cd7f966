//! Server-sent events: how long one takes from its origin to its client, by each way.

use std::error::Error;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::ways::{Nginx, gateway};

const POLICY: &str = "policy \"bench\"
default deny
allow \"events\" { by group \"eng\"  on http  do get on \"/**\" }
";

const MASK: &str = "mask \"addresses\" { on http  fields \"**.email\"  with redact }\n";

/// Time between two events.
const PACE: Duration = Duration::from_millis(2);

/// What both ends, which are one process, count from.
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);

/// How long events take by one way, from origin to client: the median and the 99th percentile of so many, in microseconds.
pub struct Delay {
    pub name: &'static str,
    pub median: f64,
    pub p99: f64,
}

/// So many events through each way, one way after the other: what the machine does meanwhile falls on one way alone, so differences of a
/// few microseconds mean nothing.
pub fn delays(count: u32) -> Result<Vec<Delay>, Box<dyn Error>> {
    let origin = TcpListener::bind("127.0.0.1:0")?;
    let port = origin.local_addr()?.port();
    std::thread::spawn(move || serve(&origin));
    let (nginx, through) = Nginx::before_events(port)?;
    let mut delays = vec![delay("direct", port, None, count)?, delay("nginx", through, None, count)?];
    drop(nginx);
    for (name, masks) in [("portcullis", ""), ("with masks", MASK)] {
        let target = format!("address = \"http://127.0.0.1:{port}\"");
        let (_gateway, port, token) = gateway(&format!("{POLICY}{masks}"), &target)?;
        delays.push(delay(name, port, Some(&token), count)?);
    }
    Ok(delays)
}

fn delay(name: &'static str, port: u16, token: Option<&str>, count: u32) -> Result<Delay, Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let shown = token.map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
    write!(stream, "GET /events?{count} HTTP/1.1\r\nhost: 127.0.0.1\r\n{shown}\r\n")?;
    let mut late = Vec::new();
    let mut first = String::new();
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let now = BEGAN.elapsed();
        if first.is_empty() {
            first.clone_from(&line);
        }
        let Some((_, at)) = line.split_once("{\"at\":") else { continue };
        let at: u64 = at.split(',').next().unwrap_or_default().parse()?;
        late.push(now.saturating_sub(Duration::from_nanos(at)).as_secs_f64() * 1e6);
        if late.len() == count as usize {
            break;
        }
    }
    if late.len() < count as usize {
        return Err(format!("{name}: {} of {count} events, and {first}", late.len()).into());
    }
    late.sort_by(f64::total_cmp);
    let at = |share: f64| late.get((late.len() as f64 * share) as usize).copied().unwrap_or(f64::NAN);
    Ok(Delay { name, median: at(0.5), p99: at(0.99) })
}

/// Answers each connection with events that say when they were sent.
fn serve(origin: &TcpListener) {
    for stream in origin.incoming().flatten() {
        std::thread::spawn(move || {
            // Whoever has read enough leaves.
            let _ = tell(stream);
        });
    }
}

fn tell(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nodelay(true)?;
    let mut lines = BufReader::new(stream);
    let (mut head, mut line) = (String::new(), String::new());
    while lines.read_line(&mut line)? > 2 {
        head.push_str(&line);
        line.clear();
    }
    let count = head.split(['?', ' ']).nth(2).unwrap_or_default().parse::<u32>()?;
    let mut stream = lines.into_inner();
    stream.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    for _ in 0..count {
        std::thread::sleep(PACE);
        let event =
            format!("data: {{\"at\":{},\"email\":\"ana@example.com\"}}\n\n", BEGAN.elapsed().as_nanos());
        write!(stream, "{:x}\r\n{event}\r\n", event.len())?;
    }
    stream.write_all(b"0\r\n\r\n")?;
    Ok(())
}
