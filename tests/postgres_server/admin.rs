//! Statements of the tests' own, from synchronous and asynchronous tests alike.

use std::sync::mpsc::{Sender, channel};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A statement, and who waits for its end.
type Order = (String, Option<Sender<Result<String, String>>>);

/// A thread with a connection, which runs statements in their order.
///
/// A thread, since a test's own runtime may be busy, or gone, when a guard is dropped in it.
pub(super) struct Admin(UnboundedSender<Order>);

impl Admin {
    pub(super) fn on(url: String) -> Self {
        let (orders, received) = unbounded_channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        std::thread::Builder::new()
            .name("postgres admin".into())
            .spawn(move || runtime.block_on(serve(&url, received)))
            .expect("a thread");
        Self(orders)
    }

    /// Runs statements to their end, and returns the first value, if any.
    pub(super) fn run(&self, sql: &str) -> Result<String, String> {
        let (done, end) = channel();
        let _ = self.0.send((sql.to_owned(), Some(done)));
        end.recv().unwrap_or_else(|_| Err("the thread with the connection is gone".into()))
    }

    /// Has a statement run some time soon, if it can be.
    pub(super) fn run_later(&self, sql: String) {
        let _ = self.0.send((sql, None));
    }
}

async fn serve(url: &str, mut orders: UnboundedReceiver<Order>) {
    let mut connection = None;
    while let Some((sql, done)) = orders.recv().await {
        let result = run(url, &mut connection, &sql).await;
        if let Some(done) = done {
            let _ = done.send(result);
        }
    }
}

async fn run(url: &str, connection: &mut Option<Client>, sql: &str) -> Result<String, String> {
    // A server that was killed has taken the connection along.
    if connection.as_ref().is_none_or(Client::is_closed) {
        *connection = Some(connect(url).await?);
    }
    let Some(client) = connection else { return Err("no connection".into()) };
    let said = client.simple_query(sql).await.map_err(|error| format!("`{sql}`: {}", describe(&error)))?;
    let value = said.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.try_get(0).ok().flatten(),
        _ => None,
    });
    Ok(value.unwrap_or_default().to_owned())
}

async fn connect(url: &str) -> Result<Client, String> {
    let connected = tokio_postgres::connect(url, NoTls).await;
    // Without the URL, which has a password in it.
    let (client, connection) =
        connected.map_err(|error| format!("PostgreSQL lets nobody in: {}", describe(&error)))?;
    tokio::spawn(async move {
        // The client says so too.
        let _ = connection.await;
    });
    Ok(client)
}

/// What the server said, which the driver's own text leaves out.
fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(said) => format!("{} ({})", said.message(), said.code().code()),
        None => {
            let cause = std::error::Error::source(error).map(|cause| format!(": {cause}"));
            format!("{error}{}", cause.unwrap_or_default())
        }
    }
}
