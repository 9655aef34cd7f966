//! Saying no to a client that is not let in, so that it hears it.
//!
//! A socket that is closed with something unread in it is reset, and what was said last is lost with it (RFC 9112,
//! section 9.6). So whoever is turned away is heard out first, for a moment and not without bounds.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

/// How long a client may take to speak, and to leave: what nginx gives (`lingering_timeout`).
const MOMENT: Duration = Duration::from_secs(5);
/// What is read of it, in bytes.
const HEARD: u64 = 64 << 10;
/// Clients heard out at a time. The others are left without a word: they are too many as it is.
static TURNED_AWAY: Semaphore = Semaphore::const_new(100);

/// Turns a client away in `words`, chosen by the first byte that it sends, if it speaks first; `None` says nothing.
///
/// Takes five seconds at most for the client to speak, and as many for it to leave.
pub async fn turn_away(mut stream: TcpStream, words: impl FnOnce(Option<u8>) -> Option<Vec<u8>>) {
    let Ok(_permit) = TURNED_AWAY.try_acquire() else { return };
    let mut first = [0];
    let first = match tokio::time::timeout(MOMENT, stream.peek(&mut first)).await {
        Ok(Ok(1)) => Some(first[0]),
        Ok(_) => return,
        Err(_) => None,
    };
    let Some(words) = words(first) else { return };
    let said = async {
        stream.write_all(&words).await?;
        stream.shutdown().await?;
        tokio::io::copy(&mut stream.take(HEARD), &mut tokio::io::sink()).await
    };
    if let Ok(Err(error)) = tokio::time::timeout(MOMENT, said).await {
        tracing::debug!(%error, "a client that was turned away did not wait to hear it");
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn whoever_is_turned_away_hears_it_however_much_it_has_said() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = std::thread::spawn(move || {
            let mut client = std::net::TcpStream::connect(address).expect("a connection");
            client.write_all(&[b'x'; 10_000]).expect("written");
            let mut heard = [0; 9];
            client.read_exact(&mut heard).expect("heard");
            // Nobody who writes on is reset for it; a reset would have the time to come.
            for _ in 0..10 {
                client.write_all(b"and another thing").expect("written");
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut rest = Vec::new();
            client.read_to_end(&mut rest).map(|_| heard)
        });
        let (stream, _) = listener.accept().await.expect("a client");
        turn_away(stream, |first| (first == Some(b'x')).then(|| b"not today".to_vec())).await;
        assert_eq!(client.join().expect("the client").expect("no reset"), *b"not today");
    }

    #[tokio::test]
    async fn whoever_does_not_leave_is_left() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let mut silent =
            std::net::TcpStream::connect(listener.local_addr().expect("an address")).expect("one");
        silent.write_all(b"x").expect("written");
        let (stream, _) = listener.accept().await.expect("a client");
        let leaving = turn_away(stream, |_| Some(b"no".to_vec()));
        assert!(tokio::time::timeout(Duration::from_secs(10), leaving).await.is_ok());
        drop(silent);
    }
}
