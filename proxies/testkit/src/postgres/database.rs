//! A database of a test's own.

use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::{Client, Config, NoTls};

use super::Postgres;

/// A fresh, empty database on the run's server, dropped with the value.
#[derive(Debug)]
pub struct Database {
    /// Its name, which no other test uses.
    pub name: String,
    /// The server it is on.
    pub server: &'static Postgres,
}

impl Database {
    /// Creates it.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let server = Postgres::shared();
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(server, "postgres").await;
        // A process id comes round again within a long run.
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await.expect("a drop");
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).await.expect("a database");
        Self { name, server }
    }

    /// A direct connection as the superuser: what the target really holds, past any gateway.
    pub async fn direct(&self) -> Client {
        connect(self.server, &self.name).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server, self.name.clone());
        // A thread of its own: the test's runtime may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let admin = connect(server, "postgres").await;
                let _ = admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            });
            Ok::<_, std::io::Error>(())
        });
        let _ = dropping.join();
    }
}

async fn connect(server: &Postgres, database: &str) -> Client {
    let (client, connection) = Config::new()
        .host("127.0.0.1")
        .port(server.port)
        .user(Postgres::SUPERUSER)
        .password(&server.password)
        .dbname(database)
        .connect(NoTls)
        .await
        .expect("a direct connection to the test server");
    tokio::spawn(connection);
    client
}
