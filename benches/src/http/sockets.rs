//! WebSockets that only wait: what each costs in memory.

use std::error::Error;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::ways::gateway;

const POLICY: &str = "policy \"bench\"
default deny
allow \"sockets\" { by group \"eng\"  on http  do upgrade on \"/**\" }
";

/// The answer to the key that is always shown here, as RFC 6455 has it in section 1.3.
const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// What the gateway holds for each of so many, in KiB.
pub async fn memory_each(count: u32) -> Result<f64, Box<dyn Error>> {
    let origin = TcpListener::bind("127.0.0.1:0").await?;
    let target = format!("address = \"http://{}\"", origin.local_addr()?);
    tokio::spawn(serve(origin));
    let (gateway, port, token) = gateway(POLICY, &target)?;
    // What it has once and for all is no part of any.
    let mut open = Vec::new();
    for _ in 0..100 {
        open.push(connect(port, &token).await?);
    }
    let before = gateway.memory()?;
    for _ in 0..count {
        open.push(connect(port, &token).await?);
    }
    let after = gateway.memory()?;
    drop(open);
    Ok((after - before) / f64::from(count))
}

/// Opens one, and reads the answer to its end.
async fn connect(port: u16, token: &str) -> Result<TcpStream, Box<dyn Error>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {token}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let head = head(&mut stream).await?;
    if head.starts_with(b"HTTP/1.1 101") { Ok(stream) } else { Err(String::from_utf8_lossy(&head).into()) }
}

/// An origin that agrees to every WebSocket, and says nothing in it.
async fn serve(origin: TcpListener) {
    while let Ok((mut stream, _)) = origin.accept().await {
        tokio::spawn(async move {
            if head(&mut stream).await.is_ok() && stream.write_all(SWITCHED).await.is_ok() {
                let mut rest = [0; 64];
                while stream.read(&mut rest).await.is_ok_and(|read| read > 0) {}
            }
        });
    }
}

async fn head(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(head)
}
