//! Transactions: all or nothing, one writer at a time, and callers that go away.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use stagegate::model::error::{Error, ErrorKind};
use stagegate::model::{ColumnSet, Filter, Operator, Query, Value};
use stagegate::store::{Access, Begin, Store, Timing, Transaction, Verdict};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::support::*;

/// A transaction that holds its place until it is released.
struct Holder {
    release: oneshot::Sender<()>,
    end: JoinHandle<Result<Timing, Error>>,
}

impl Holder {
    /// Opens it, calls `first` in it, and returns once that is done.
    async fn start<F, Fut>(store: &Arc<dyn Store>, begin: Begin, first: F) -> Self
    where
        F: FnOnce(Arc<dyn Transaction>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let (release, released) = oneshot::channel();
        let (started, starting) = oneshot::channel();
        let store = Arc::clone(store);
        let end = tokio::spawn(async move {
            let work: stagegate::store::Work = Box::new(move |tx| {
                Box::pin(async move {
                    first(tx).await;
                    started.send(()).expect("the test waits");
                    released.await.expect("the test releases it");
                    Verdict::Commit
                })
            });
            store.run(begin, work).await
        });
        starting.await.expect("it starts");
        Self { release, end }
    }

    async fn end(self) {
        self.release.send(()).expect("it waits");
        self.end.await.expect("it ends").expect("it commits");
    }
}

async fn hold(store: &Arc<dyn Store>, label: &str) -> Holder {
    Holder::start(store, begin(Access::Write, label), |_| async {}).await
}

/// Polls once: what a caller does before it is dropped or has to wait.
async fn is_pending<T>(future: &mut Pin<Box<impl Future<Output = T> + ?Sized>>) -> bool {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

pub(super) async fn a_rollback_leaves_nothing(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("kept"))])).await;
    insert(&store, "account", id(2), attributes([("name", string("kept"))])).await;
    let account = definition(&store, "account");
    let work: stagegate::store::Work = Box::new(move |tx| {
        Box::pin(async move {
            tx.insert(&account, id(3), &with_system(Default::default())).await.expect("inserted");
            tx.update(&account, id(1), &attributes([("name", string("lost"))])).await.expect("updated");
            tx.delete(&account, id(2)).await.expect("deleted");
            Verdict::Rollback
        })
    });
    store.run(begin(Access::Write, "a write"), work).await.expect("it rolls back");
    assert_eq!(value(&store, "account", id(1), "name").await, string("kept"));
    assert_eq!(value(&store, "account", id(1), "versionnumber").await, Value::BigInteger(1));
    assert!(retrieve(&store, "account", id(2)).await.is_some());
    assert_eq!(retrieve(&store, "account", id(3)).await, None);
}

pub(super) async fn a_failed_verb_dooms_the_transaction(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let later = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&later);
    let work: stagegate::store::Work = Box::new(move |tx| {
        Box::pin(async move {
            let attributes = with_system(Default::default());
            tx.insert(&account, id(1), &attributes).await.expect("inserted");
            tx.insert(&account, id(1), &attributes).await.expect_err("a duplicate");
            let result = tx.retrieve(&account, id(1), &ColumnSet::All, Lock::None).await;
            *slot.lock().unwrap() = Some(result);
            Verdict::Commit
        })
    });
    let result = store.run(begin(Access::Write, "Create account"), work).await;
    let error = expect_error(result, ErrorKind::Doomed);
    assert!(error.message().contains("Create account"), "{error}");
    let later = later.lock().unwrap().take().expect("the verb was called");
    expect_error(later, ErrorKind::Doomed);
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
    insert(&store, "account", id(1), Default::default()).await;
}

pub(super) async fn a_caller_that_goes_while_it_waits_never_runs(database: Database) {
    let store = database.with_samples().await;
    let holder = hold(&store, "the first").await;
    let ran = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&ran);
    let mut waiting = store.run(
        begin(Access::Write, "the second"),
        Box::new(move |_| {
            held.store(true, Ordering::SeqCst);
            Box::pin(async { Verdict::Commit })
        }),
    );
    assert!(is_pending(&mut waiting).await);
    drop(waiting);
    assert_eq!(Arc::strong_count(&ran), 1, "what the work held is freed at once");
    holder.end().await;
    insert(&store, "account", id(1), Default::default()).await;
    assert!(!ran.load(Ordering::SeqCst));
}

pub(super) async fn a_caller_that_goes_while_it_runs_is_rolled_back(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let (started, starting) = oneshot::channel();
    let (gone, going) = oneshot::channel::<()>();
    let caller = {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let work: stagegate::store::Work = Box::new(move |tx| {
                Box::pin(async move {
                    tx.insert(&account, id(1), &with_system(Default::default())).await.expect("inserted");
                    started.send(()).expect("the test waits");
                    let _gone = gone;
                    std::future::pending().await
                })
            });
            store.run(begin(Access::Write, "a write"), work).await
        })
    };
    starting.await.expect("it starts");
    caller.abort();
    going.await.expect_err("the work is dropped");
    insert(&store, "account", id(2), Default::default()).await;
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
    assert!(retrieve(&store, "account", id(2)).await.is_some(), "the connection works on");
}

pub(super) async fn a_panic_rolls_back_and_is_reported(database: Database) {
    let store = database.with_samples().await;
    for access in [Access::Write, Access::Read] {
        let account = definition(&store, "account");
        let work: stagegate::store::Work = Box::new(move |tx| {
            Box::pin(async move {
                if access == Access::Write {
                    tx.insert(&account, id(1), &with_system(Default::default())).await.expect("inserted");
                }
                panic!("a panic of the test, number {}", 7)
            })
        });
        let error = expect_error(store.run(begin(access, "Create account"), work).await, ErrorKind::Internal);
        assert!(error.message().contains("a panic of the test, number 7"), "{error}");
        assert!(error.message().contains("Create account"), "{error}");
        assert_eq!(retrieve(&store, "account", id(1)).await, None);
        insert(&store, "account", id(2 + access as u128), Default::default()).await;
    }
}

pub(super) async fn a_deadline_while_waiting_names_the_holder(database: Database) {
    let store = database.with_samples().await;
    let holder = hold(&store, "Update account").await;
    let ran = Arc::new(AtomicBool::new(false));
    let mark = Arc::clone(&ran);
    let work: stagegate::store::Work = Box::new(move |_| {
        mark.store(true, Ordering::SeqCst);
        Box::pin(async { Verdict::Commit })
    });
    let deadline = Instant::now() + Duration::from_millis(30);
    let result = store.run(until(Access::Write, "Delete task", deadline), work).await;
    assert!(Instant::now() >= deadline);
    let error = expect_error(result, ErrorKind::Timeout);
    assert!(error.message().contains("held for") && error.message().contains("`Update account`"), "{error}");
    assert!(error.message().contains("`Delete task` waited"), "{error}");
    holder.end().await;
    insert(&store, "account", id(1), Default::default()).await;
    assert!(!ran.load(Ordering::SeqCst));
}

pub(super) async fn a_deadline_ends_a_transaction_that_runs(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    // Long enough for one insert on a machine that is at something else.
    let deadline = Instant::now() + Duration::from_secs(3);
    let kinds = Arc::new(Mutex::new(Vec::new()));
    let slot = Arc::clone(&kinds);
    let work: stagegate::store::Work = Box::new(move |tx| {
        Box::pin(async move {
            let attributes = with_system(Default::default());
            tx.insert(&account, id(1), &attributes).await.expect("there is time");
            tokio::time::sleep_until(deadline.into()).await;
            for number in [2, 3] {
                let error = tx.insert(&account, id(number), &attributes).await.expect_err("too late");
                slot.lock().unwrap().push(error.kind());
            }
            Verdict::Commit
        })
    });
    let result = store.run(until(Access::Write, "Create account", deadline), work).await;
    expect_error(result, ErrorKind::Doomed);
    assert_eq!(*kinds.lock().unwrap(), [ErrorKind::Timeout, ErrorKind::Doomed]);
    for number in [1, 2, 3] {
        assert_eq!(retrieve(&store, "account", id(number)).await, None);
    }
}

/// A query that looks at every character of much text, many times over: a minute if nobody ends it.
pub(super) async fn slow_query(store: &Arc<dyn Store>) -> Query {
    let sample = definition(store, "sample");
    let text = string(&"a".repeat(2_000));
    write(store, move |tx| async move {
        for number in 1..=2_000 {
            tx.insert(&sample, id(number), &attributes([("select", text.clone())])).await?;
        }
        Ok(())
    })
    .await;
    let condition = |_| Filter::condition("select", Operator::NotLike, string("%ab%ab%b"));
    Query { filter: Some(Filter::All((0..500).map(condition).collect())), ..Query::new("sample") }
}

pub(super) async fn a_deadline_interrupts_a_query(database: Database) {
    let store = database.with_samples().await;
    let query = slow_query(&store).await;
    for access in [Access::Read, Access::Write] {
        let (schema, query) = (store.schema(), query.clone());
        let deadline = Instant::now() + Duration::from_millis(100);
        let result =
            attempt(&store, until(access, "RetrieveMultiple sample", deadline), move |tx| async move {
                tx.query(&schema, &query).await
            });
        let error = expect_error(result.await, ErrorKind::Timeout);
        assert!(error.message().contains("RetrieveMultiple sample"), "{error}");
    }
    insert(&store, "account", id(1), Default::default()).await;
}

pub(super) async fn a_caller_that_goes_interrupts_its_query(database: Database) {
    let store = database.with_samples().await;
    let query = slow_query(&store).await;
    let (started, starting) = oneshot::channel();
    let caller = {
        let (store, schema) = (Arc::clone(&store), store.schema());
        tokio::spawn(async move {
            write(&store, move |tx| async move {
                started.send(()).expect("the test waits");
                tx.query(&schema, &query).await
            })
            .await
        })
    };
    starting.await.expect("it starts");
    caller.abort();
    // It gets its turn long before the query would be through.
    let account = definition(&store, "account");
    let deadline = Instant::now() + Duration::from_secs(5);
    let result = attempt(&store, until(Access::Write, "a write", deadline), move |tx| async move {
        tx.insert(&account, id(1), &with_system(Default::default())).await
    });
    result.await.expect("the writer is free");
}

pub(super) async fn a_deadline_interrupts_a_write_and_undoes_it(database: Database) {
    const COUNT: u128 = 20_000;
    let store = database.with_samples().await;
    let task = definition(&store, "task");
    write(&store, move |tx| async move {
        for number in 1..=COUNT {
            let one = attributes([("accountid", reference("account", id(1)))]);
            tx.insert(&task, id(number), &one).await?;
        }
        Ok(())
    })
    .await;
    let (account, task) = (definition(&store, "account"), definition(&store, "task"));
    let deadline = Instant::now() + Duration::from_millis(300);
    let later = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&later);
    let work: stagegate::store::Work = Box::new(move |tx| {
        Box::pin(async move {
            tx.insert(&account, id(1), &with_system(Default::default())).await.expect("there is time");
            // Clears the links one by one, again and again, until the time is over.
            let none = attributes([("accountid", Value::Null)]);
            let mut numbers = (1..=COUNT).cycle();
            let error = loop {
                let number = numbers.next().expect("a cycle");
                if let Err(error) = tx.update(&task, id(number), &none).await {
                    break error;
                }
            };
            let after = tx.insert(&account, id(2), &with_system(Default::default())).await;
            *slot.lock().unwrap() = Some((error, after));
            Verdict::Commit
        })
    });
    let result = store.run(until(Access::Write, "Delete account", deadline), work).await;
    expect_error(result, ErrorKind::Doomed);
    let (error, after) = later.lock().unwrap().take().expect("the verbs were called");
    assert!(matches!(error.kind(), ErrorKind::Timeout | ErrorKind::Doomed), "{error}");
    expect_error(after, ErrorKind::Doomed);
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
    assert_eq!(retrieve(&store, "account", id(2)).await, None);
    let schema = store.schema();
    let cleared = read(&store, move |tx| async move {
        let filter = Some(Filter::Condition {
            link: None,
            attribute: "accountid".into(),
            operator: Operator::Null,
            values: vec![],
        });
        tx.query(&schema, &Query { filter, ..Query::new("task") }).await
    });
    assert_eq!(cleared.await.entities, []);
}

pub(super) async fn readers_see_what_is_committed(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("name", string("old"))])).await;
    let account = definition(&store, "account");
    let writer = Holder::start(&store, begin(Access::Write, "a write"), move |tx| async move {
        tx.update(&account, id(1), &attributes([("name", string("new"))])).await.expect("updated");
        tx.insert(&account, id(2), &with_system(Default::default())).await.expect("inserted");
    })
    .await;
    assert_eq!(value(&store, "account", id(1), "name").await, string("old"));
    assert_eq!(retrieve(&store, "account", id(2)).await, None);
    // One that reads before and after the commit sees one state.
    let (seen, seeing) = oneshot::channel();
    let (resume, resumed) = oneshot::channel::<()>();
    let reader = {
        let (store, account) = (Arc::clone(&store), definition(&store, "account"));
        tokio::spawn(async move {
            read(&store, move |tx| async move {
                let before = tx.retrieve(&account, id(1), &ColumnSet::All, Lock::None).await?;
                seen.send(()).expect("the test waits");
                resumed.await.expect("the test resumes it");
                let after = tx.retrieve(&account, id(1), &ColumnSet::All, Lock::None).await?;
                assert_eq!(tx.retrieve(&account, id(2), &ColumnSet::All, Lock::None).await?, None);
                Ok((before, after))
            })
            .await
        })
    };
    seeing.await.expect("it reads");
    writer.end().await;
    assert_eq!(value(&store, "account", id(1), "name").await, string("new"));
    resume.send(()).expect("it waits");
    let (before, after) = reader.await.expect("it ends");
    assert_eq!(before.expect("it exists").get("name"), Some(&string("old")));
    assert_eq!(after.expect("it exists").get("name"), Some(&string("old")));
}

pub(super) async fn a_reader_cannot_write(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let result = attempt(&store, begin(Access::Read, "a read"), move |tx| async move {
        tx.insert(&account, id(1), &with_system(Default::default())).await
    });
    expect_error(result.await, ErrorKind::Internal);
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
}

pub(super) async fn writers_lose_no_update(database: Database) {
    let store = database.with_samples().await;
    insert(&store, "account", id(1), attributes([("number", Value::Integer(0))])).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..10 {
                    let account = definition(&store, "account");
                    write(&store, move |tx| async move {
                        let columns = ColumnSet::named(["number"]);
                        let record =
                            tx.retrieve(&account, id(1), &columns, Lock::Update).await?.expect("it exists");
                        let Some(Value::Integer(number)) = record.get("number") else {
                            panic!("not a number: {record:?}")
                        };
                        // Let the others at it.
                        tokio::task::yield_now().await;
                        tx.update(&account, id(1), &attributes([("number", Value::Integer(number + 1))]))
                            .await
                    })
                    .await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("it ends");
    }
    assert_eq!(value(&store, "account", id(1), "number").await, Value::Integer(80));
    assert_eq!(value(&store, "account", id(1), "versionnumber").await, Value::BigInteger(81));
}

pub(super) async fn writers_take_turns_as_they_came(database: Database) {
    let store = database.with_samples().await;
    let holder = hold(&store, "the first").await;
    let next = Arc::new(AtomicUsize::new(0));
    let mut waiting = Vec::new();
    for number in 0..5 {
        let next = Arc::clone(&next);
        let work: stagegate::store::Work = Box::new(move |_| {
            assert_eq!(next.fetch_add(1, Ordering::SeqCst), number);
            Box::pin(async { Verdict::Commit })
        });
        let store = Arc::clone(&store);
        let mut run = Box::pin(async move { store.run(begin(Access::Write, "another"), work).await });
        assert!(is_pending(&mut run).await);
        waiting.push(run);
    }
    let waiting: Vec<_> = waiting.into_iter().map(tokio::spawn).collect();
    let queued = Instant::now();
    tokio::time::sleep_until((queued + Duration::from_millis(5)).into()).await;
    holder.end().await;
    // Awaited backwards, so that it is not the awaiting that orders them.
    for run in waiting.into_iter().rev() {
        let timing = run.await.expect("it ends").expect("it was its turn");
        assert!(timing.waited >= Duration::from_millis(5), "{timing:?}");
    }
    assert_eq!(next.load(Ordering::SeqCst), 5);
}

pub(super) async fn a_handle_that_is_kept_does_nothing(database: Database) {
    let store = database.with_samples().await;
    let (account, slot) = (definition(&store, "account"), Arc::new(Mutex::new(None)));
    let keep = Arc::clone(&slot);
    write(&store, move |tx| async move {
        *keep.lock().unwrap() = Some(tx);
        Ok(())
    })
    .await;
    let kept = slot.lock().unwrap().take().expect("it was kept");
    let attributes = with_system(Default::default());
    expect_error(kept.insert(&account, id(1), &attributes).await, ErrorKind::Internal);
    // Nor does it reach into the transaction of another.
    let holder = hold(&store, "another").await;
    expect_error(kept.insert(&account, id(1), &attributes).await, ErrorKind::Internal);
    expect_error(kept.retrieve(&account, id(1), &ColumnSet::All, Lock::None).await, ErrorKind::Internal);
    holder.end().await;
    assert_eq!(retrieve(&store, "account", id(1)).await, None);
    store.close().await;
    expect_error(kept.insert(&account, id(1), &attributes).await, ErrorKind::Internal);
}

pub(super) async fn close_waits_and_then_refuses(database: Database) {
    let store = database.with_samples().await;
    let account = definition(&store, "account");
    let holder = Holder::start(&store, begin(Access::Write, "a write"), move |tx| async move {
        tx.insert(&account, id(1), &with_system(Default::default())).await.expect("inserted");
    })
    .await;
    let mut waiting = store.run(begin(Access::Write, "too late"), Box::new(|_| panic!("it must not run")));
    assert!(is_pending(&mut waiting).await);
    let mut closing = store.close();
    assert!(is_pending(&mut closing).await, "a transaction is open");
    expect_error(waiting.await, ErrorKind::ShuttingDown);
    holder.end().await;
    closing.await;
    for access in [Access::Read, Access::Write] {
        let result = store.run(begin(access, "too late"), Box::new(|_| panic!("it must not run"))).await;
        expect_error(result, ErrorKind::ShuttingDown);
    }
    expect_error(store.define(vec![sample()].into()).await.map(drop), ErrorKind::ShuttingDown);
    expect_error(store.is_idle().await, ErrorKind::ShuttingDown);
    store.close().await;
    drop(store);
    let store = database.open();
    assert!(retrieve(&store, "account", id(1)).await.is_some());
}
