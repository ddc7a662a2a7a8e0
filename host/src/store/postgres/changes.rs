//! What hosts on one database tell each other: by notifications after the commit, and by a look once a second for when
//! these are lost or do not get through.
//!
//! A notification inside of a transaction would take a lock that all commits of the server share. So each host gathers
//! what it has to tell, and tells it at once or a little later, on a connection of its own.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, MissedTickBehavior, timeout};
use tokio_postgres::{AsyncMessage, Notification};

use super::connection::Connection;
use super::error::{cannot_connect, no_answer};
use super::long_transactions::{self, Warned};
use super::pool::lock;
use super::session::Wrote;
use super::{Options, Shared, definition};
use crate::model::error::Result;
use crate::store::Change;

/// The longest that a change goes unnoticed whose notification is lost.
const POLL: Duration = Duration::from_secs(1);
/// How long an answer may take that no lock is in the way of. What listens on a connection that is cut off hears nothing.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often transactions are looked for that are open for too long.
const LONG_TRANSACTIONS_EVERY: Duration = Duration::from_secs(30);
/// The least time between two notifications: a busy host costs the others twenty wake-ups a second at most.
const BETWEEN: Duration = Duration::from_millis(50);
/// The pause after the connection was lost.
const RECONNECT_PAUSE: Duration = Duration::from_millis(500);

/// Whom hosts on one database tell.
const CHANNEL: &str = "stagegate";
/// The words of a notification.
const JOBS: &str = "jobs";
const CONTROL: &str = "control";
const VERSIONS: &str = "versions";

/// What a host has to tell others, and what others have told it.
#[derive(Default)]
pub(super) struct Changes {
    to_tell: Mutex<News>,
    tell: Notify,
    told: Mutex<News>,
    heard: Notify,
}

#[derive(Clone, Copy, Debug, Default)]
struct News {
    jobs: bool,
    control: bool,
    /// Told by others, of registered steps alone: definitions are read at once.
    versions: bool,
}

impl Changes {
    /// Tells other hosts what a transaction wrote that has committed.
    pub(super) fn wrote(&self, wrote: Wrote) {
        if wrote.jobs || wrote.control {
            self.add(News { jobs: wrote.jobs, control: wrote.control, versions: false });
        }
    }

    /// Tells other hosts that a definition or a registered step has changed.
    pub(super) fn versions(&self) {
        self.add(News { versions: true, ..News::default() });
    }

    fn add(&self, news: News) {
        lock(&self.to_tell).add(news);
        self.tell.notify_one();
    }

    fn hear(&self, news: News) {
        lock(&self.told).add(news);
        self.heard.notify_one();
    }

    /// Waits for what others tell.
    pub(super) async fn next(&self) -> Change {
        loop {
            if let Some(change) = lock(&self.told).take_one() {
                // What is left is for the next call.
                self.heard.notify_one();
                return change;
            }
            self.heard.notified().await;
        }
    }
}

impl News {
    fn add(&mut self, news: Self) {
        self.jobs |= news.jobs;
        self.control |= news.control;
        self.versions |= news.versions;
    }

    fn take_one(&mut self) -> Option<Change> {
        if std::mem::take(&mut self.jobs) {
            Some(Change::Jobs)
        } else if std::mem::take(&mut self.control) {
            Some(Change::Control)
        } else if std::mem::take(&mut self.versions) {
            Some(Change::Registrations)
        } else {
            None
        }
    }

    fn words(self) -> String {
        let words = [(self.jobs, JOBS), (self.control, CONTROL), (self.versions, VERSIONS)];
        let words: Vec<&str> = words.iter().filter(|(said, _)| *said).map(|(_, word)| *word).collect();
        words.join(" ")
    }

    fn of(words: &str) -> Self {
        let has = |word| words.split(' ').any(|said| said == word);
        Self { jobs: has(JOBS), control: has(CONTROL), versions: has(VERSIONS) }
    }
}

/// Tells and listens until the store is closed.
pub(super) async fn run(options: Options, shared: Arc<Shared>, mut stop: tokio::sync::watch::Receiver<bool>) {
    let mut failing = false;
    let mut warned = Warned::default();
    loop {
        let ended = tokio::select! {
            ended = exchange(&options, &shared, &mut warned, &mut failing) => ended,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if let Err(error) = ended
            && !std::mem::replace(&mut failing, true)
        {
            tracing::warn!(%error, "cannot hear of other hosts' changes; trying again");
        }
        tokio::select! {
            () = tokio::time::sleep(RECONNECT_PAUSE) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// Tells and listens on one connection, until it fails.
async fn exchange(options: &Options, shared: &Shared, warned: &mut Warned, failing: &mut bool) -> Result<()> {
    const LABEL: &str = "the changes of other hosts";
    let database = &options.database;
    let fail = |error| super::error::failed(database, "listen for changes", error);
    let (client, mut driver, peer) = timeout(options.connect_timeout(), options.connect())
        .await
        .map_err(|_| no_answer(database, LABEL))?
        .map_err(|error| cannot_connect(database, LABEL, error))?;
    let (notify, mut notified) = mpsc::unbounded_channel::<Notification>();
    let driver = tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| driver.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message {
                let _ = notify.send(notification);
            }
        }
    });
    // The driver ends by itself once the client is gone.
    drop(driver);
    let connection = Connection::of(client, peer, options);
    let own = if options.pooler {
        None
    } else {
        let listen = async {
            connection.batch(&format!("LISTEN {CHANNEL}")).await?;
            let rows = connection.rows("SELECT pg_backend_pid()", &[]).await?;
            rows.first().map(|row| row.try_get::<_, i32>(0)).transpose()
        };
        answer(database, async { listen.await.map_err(fail) }).await?
    };
    *failing = false;
    // Whatever was told while nobody listened.
    shared.changes.hear(News { jobs: true, control: true, versions: false });
    let mut polls = tokio::time::interval(POLL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut told: Option<Instant> = None;
    let mut long_transactions: Option<Instant> = None;
    loop {
        tokio::select! {
            _ = polls.tick() => {
                answer(database, look(shared, &connection)).await?;
                if long_transactions.is_none_or(|looked| looked.elapsed() >= LONG_TRANSACTIONS_EVERY) {
                    long_transactions = Some(Instant::now());
                    answer(database, warn(options, &connection, warned)).await?;
                }
            }
            notification = notified.recv() => match notification {
                None => return Err(super::closed_connection(&options.database)),
                Some(notification) if Some(notification.process_id()) == own => {}
                Some(notification) => {
                    let news = News::of(notification.payload());
                    if news.versions {
                        answer(database, look(shared, &connection)).await?;
                    }
                    shared.changes.hear(News { versions: false, ..news });
                }
            },
            () = shared.changes.tell.notified(), if !options.pooler => {
                if let Some(told) = told {
                    tokio::time::sleep_until(told + BETWEEN).await;
                }
                let words = std::mem::take(&mut *lock(&shared.changes.to_tell)).words();
                // What came during the sleep went with what came before.
                if words.is_empty() {
                    continue;
                }
                let notify = format!("NOTIFY {CHANNEL}, '{words}'");
                answer(database, async { connection.batch(&notify).await.map_err(fail) }).await?;
                told = Some(Instant::now());
            }
        }
    }
}

/// Warns of transactions that are open for too long. Engines that speak PostgreSQL's protocol may not know of them.
async fn warn(options: &Options, connection: &Connection, warned: &mut Warned) -> Result<()> {
    match long_transactions::read(&options.database, connection, options.long_transaction).await {
        Ok(found) => warned.warn(&options.database, &found),
        Err(error) if connection.is_closed() => return Err(error),
        Err(error) => tracing::debug!(%error, "cannot tell whether transactions are open for too long"),
    }
    Ok(())
}

/// Awaits what the server says; fails if it says nothing.
async fn answer<T>(database: &str, said: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(ANSWER_TIMEOUT, said).await.unwrap_or_else(|_| Err(super::closed_connection(database)))
}

/// Sees whether definitions or registered steps have changed, and reads the definitions if so.
async fn look(shared: &Shared, connection: &Connection) -> Result<()> {
    let versions = definition::versions(&shared.database, connection, false).await?;
    if versions.schema.unsigned_abs() > shared.schema().version {
        shared.publish(definition::load(&shared.database, connection).await?);
    }
    if shared.saw_registrations(versions.registrations) {
        shared.changes.hear(News { versions: true, ..News::default() });
    }
    Ok(())
}
