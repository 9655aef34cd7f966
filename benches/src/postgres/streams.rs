//! Few large answers: one result and one COPY, and what the program's memory does meanwhile.

use std::error::Error;
use std::pin::pin;
use std::process::Stdio;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use portcullis_benches::report::Figure;
use tokio_postgres::{Client, Config, NoTls};

use crate::figures;
use crate::programs::{DATABASE, Program, Programs};

/// Bytes of a row, and rows of a megabyte.
const ROW: u32 = 1_000;

/// Throughput in MB/s, peak memory in MiB.
pub fn measure(programs: &Programs, megabytes: u32, rounds: u32) -> Result<Vec<Figure>, Box<dyn Error>> {
    let mut copies = vec![Vec::new(); programs.all.len()];
    let (mut selects, mut masked) = (copies.clone(), copies.clone());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for _ in 0..rounds {
        for (index, program) in programs.all.iter().enumerate() {
            copies[index].push(copy(programs, program, megabytes)?);
            // psql would keep the whole result; this client keeps a row, and speaks without TLS only.
            if !programs.is_tls {
                selects[index].push(runtime.block_on(select(
                    programs,
                    program,
                    megabytes,
                    &rows(megabytes),
                ))?);
                masked[index].push(runtime.block_on(select(
                    programs,
                    program,
                    megabytes,
                    &masked_rows(megabytes),
                ))?);
            }
        }
    }
    let size = if megabytes == 1000 { "1g".to_owned() } else { format!("{megabytes}m") };
    let mut all = figures(&format!("stream/copy-{size}"), "MB/s", programs, copies);
    if !programs.is_tls {
        all.extend(figures(&format!("stream/select-{size}"), "MB/s", programs, selects));
        all.extend(figures(&format!("stream/select-masked-{size}"), "MB/s", programs, masked));
    }
    all.extend(programs.all.iter().filter_map(|program| {
        Some(Figure::new(format!("stream/peak-memory-{size}"), program.name, program.peak_memory()?, "MiB"))
    }));
    Ok(all)
}

fn copy(programs: &Programs, program: &Program, megabytes: u32) -> Result<f64, Box<dyn Error>> {
    let sql = format!("COPY ({}) TO STDOUT", rows(megabytes));
    let start = Instant::now();
    let status =
        programs.client("psql", program.port).args(["-XqAt", "-c", &sql]).stdout(Stdio::null()).status()?;
    if !status.success() {
        return Err(format!("{}: the COPY failed", program.name).into());
    }
    Ok(f64::from(megabytes) / start.elapsed().as_secs_f64())
}

async fn select(
    programs: &Programs,
    program: &Program,
    megabytes: u32,
    sql: &str,
) -> Result<f64, Box<dyn Error>> {
    let client = connect(programs, program).await?;
    let start = Instant::now();
    let mut stream = pin!(client.query_raw::<_, &str, _>(sql, []).await?);
    let mut bytes = 0;
    while let Some(row) = stream.try_next().await? {
        bytes += row.try_get::<_, &str>(0)?.len();
    }
    if bytes != (megabytes * 1_000_000 / ROW) as usize * first_column(sql) {
        return Err(format!("{}: {bytes} bytes came", program.name).into());
    }
    Ok(f64::from(megabytes) / start.elapsed().as_secs_f64())
}

fn rows(megabytes: u32) -> String {
    format!("SELECT repeat('x', {ROW}) FROM generate_series(1, {})", megabytes * 1_000_000 / ROW)
}

/// The same with two columns that the sample policy masks.
fn masked_rows(megabytes: u32) -> String {
    let rest = ROW - 32;
    let times = megabytes * 1_000_000 / ROW / 1000;
    format!("SELECT repeat('x', {rest}), u.email, u.ssn FROM users u, generate_series(1, {times})")
}

/// The length of a row's first column.
fn first_column(sql: &str) -> usize {
    if sql.contains("u.email") { ROW as usize - 32 } else { ROW as usize }
}

async fn connect(programs: &Programs, program: &Program) -> Result<Client, Box<dyn Error>> {
    let (client, connection) = Config::new()
        .host("127.0.0.1")
        .port(program.port)
        .user(portcullis_testkit::Postgres::SUPERUSER)
        .password(&programs.server.password)
        .dbname(DATABASE)
        .connect(NoTls)
        .await?;
    tokio::spawn(connection);
    Ok(client)
}
