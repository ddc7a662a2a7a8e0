//! The threads that own the connections, and the queues in front of them.
//!
//! A transaction runs from its beginning to its end on one thread, guests included: the write lock is held that long
//! anyway, and a hop to the thread and back would cost several times what a statement does.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

use crate::model::cause::{Cause, Phase, Timeout};
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::{Begin, closed};

use super::session::Session;

/// The stack of a thread. Requests that nest to the depth limit are polled on it, one inside another, and their guests
/// have stacks of their own.
const STACK_BYTES: usize = 8 << 20;

thread_local! {
    /// On the only thread of a lane: which lane. Whoever waits for it there waits for itself.
    static ALONE: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A first-come-first-served queue for one or more threads, each with a connection.
pub(super) struct Lane {
    /// What one waits for here, for errors.
    what: &'static str,
    queue: Mutex<Queue>,
    ready: Condvar,
}

struct Queue {
    waiting: VecDeque<Arc<Turn>>,
    /// By thread: whose turn it is, and since when.
    holders: Vec<Option<(Arc<Turn>, Instant)>>,
    open: bool,
}

/// One caller's place in the queue.
pub(super) struct Turn {
    /// What for.
    pub(super) begin: Begin,
    /// Since when it waits.
    pub(super) asked: Instant,
    /// When it is over: the deadline that it began with, unless it was moved since.
    pub(super) deadline: Mutex<Option<Instant>>,
    /// Taken out by whoever is first: the thread, to run it, or the caller, to give up.
    task: Mutex<Option<Task>>,
    abandoned: AtomicBool,
}

type Task = Box<dyn FnOnce(&Arc<Session>, &Arc<Turn>) + Send>;

impl Turn {
    /// Whether nobody waits for the result any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Relaxed)
    }

    /// Whether its deadline has passed.
    pub(super) fn is_expired(&self) -> bool {
        lock(&self.deadline).is_some_and(|deadline| Instant::now() >= deadline)
    }

    fn take(&self) -> Option<Task> {
        lock(&self.task).take()
    }
}

/// The caller's side of a turn. Dropped, it gives the turn up: work that is queued never runs, a statement that runs
/// is interrupted.
struct Waiter(Arc<Turn>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
        drop(self.0.take());
    }
}

impl Lane {
    pub(super) fn new(what: &'static str, threads: usize) -> Arc<Self> {
        let holders = (0..threads).map(|_| None).collect();
        let queue = Mutex::new(Queue { waiting: VecDeque::new(), holders, open: true });
        Arc::new(Self { what, queue, ready: Condvar::new() })
    }

    /// Starts the thread number `index`. It ends, and drops `alive`, once the lane is closed.
    pub(super) fn start(
        self: &Arc<Self>,
        index: usize,
        name: String,
        session: Arc<Session>,
        alive: mpsc::Sender<()>,
    ) -> Result<()> {
        let lane = Arc::clone(self);
        let serve = move || {
            ALONE.set((lane.threads() == 1).then(|| Arc::as_ptr(&lane).addr()));
            while let Some(turn) = lane.next(index) {
                let Some(task) = turn.take() else { continue };
                // The session reports the panics of work; this is for all else, so that the thread lives on.
                let _ = catch_unwind(AssertUnwindSafe(|| task(&session, &turn)));
            }
            session.close();
            drop(alive);
        };
        thread::Builder::new().name(name).stack_size(STACK_BYTES).spawn(serve).map(drop).map_err(|error| {
            Error::new(ErrorKind::Store, format!("could not start a thread of the store: {error}"))
                .with_source(error)
        })
    }

    /// Waits for a turn, runs `task` on a thread of this lane, and returns what it returns. `task` gets the sender of
    /// its result too: that one is closed as soon as the caller is dropped.
    pub(super) async fn run<T, F>(&self, begin: Begin, task: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Arc<Session>, &Arc<Turn>, &mut oneshot::Sender<Result<T>>) -> Result<T> + Send + 'static,
    {
        let (mut sender, mut receiver) = oneshot::channel();
        let task: Task = Box::new(move |session, turn| {
            let result = task(session, turn, &mut sender);
            // Nobody to tell is fine: the caller has gone.
            let _ = sender.send(result);
        });
        let deadline = begin.deadline;
        let turn = Arc::new(Turn {
            begin,
            asked: Instant::now(),
            deadline: Mutex::new(deadline),
            task: Mutex::new(Some(task)),
            abandoned: AtomicBool::new(false),
        });
        let waiter = Waiter(Arc::clone(&turn));
        self.push(turn)?;
        let result = match deadline {
            None => receiver.await,
            Some(deadline) => match tokio::time::timeout_at(deadline.into(), &mut receiver).await {
                Ok(result) => result,
                Err(_) if waiter.0.take().is_some() => return Err(self.late(&waiter.0)),
                // It is being run. The thread knows the deadline too, and ends it.
                Err(_) => receiver.await,
            },
        };
        result.unwrap_or_else(|_| Err(self.lost(&waiter.0)))
    }

    /// Refuses new turns and those that wait, and lets the threads end.
    pub(super) fn close(&self) {
        let waiting = {
            let mut queue = lock(&self.queue);
            queue.open = false;
            std::mem::take(&mut queue.waiting)
        };
        self.ready.notify_all();
        for turn in waiting {
            drop(turn.take());
        }
    }

    fn threads(&self) -> usize {
        lock(&self.queue).holders.len()
    }

    fn push(&self, turn: Arc<Turn>) -> Result<()> {
        if ALONE.get() == Some(std::ptr::from_ref(self).addr()) {
            return Err(Error::new(
                ErrorKind::Internal,
                format!(
                    "`{}` asks for {} inside of another, which would wait for it forever; use the one that is open",
                    turn.begin.label, self.what
                ),
            ));
        }
        let mut queue = lock(&self.queue);
        if !queue.open {
            return Err(closed());
        }
        queue.waiting.push_back(turn);
        drop(queue);
        self.ready.notify_one();
        Ok(())
    }

    fn next(&self, index: usize) -> Option<Arc<Turn>> {
        let mut queue = lock(&self.queue);
        if let Some(holder) = queue.holders.get_mut(index) {
            *holder = None;
        }
        loop {
            match queue.waiting.pop_front() {
                // Its caller gives up at the same moment and says why.
                Some(turn) if turn.is_expired() => {}
                Some(turn) => {
                    if let Some(holder) = queue.holders.get_mut(index) {
                        *holder = Some((Arc::clone(&turn), Instant::now()));
                    }
                    return Some(turn);
                }
                None if !queue.open => return None,
                None => queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    fn late(&self, turn: &Turn) -> Error {
        let queue = lock(&self.queue);
        let longest = queue.holders.iter().flatten().min_by_key(|(_, since)| *since);
        let held = longest.map_or_else(String::new, |(holder, since)| {
            format!(", held for {} by `{}`", seconds(since.elapsed()), holder.begin.label)
        });
        Error::new(
            ErrorKind::Timeout,
            format!(
                "`{}` waited {} for {}{held}; nothing of it was done, so try again",
                turn.begin.label,
                seconds(turn.asked.elapsed()),
                self.what
            ),
        )
        .with_cause(Cause::Timeout(Timeout::new(Phase::Queue, turn.asked.elapsed())))
    }

    fn lost(&self, turn: &Turn) -> Error {
        if !lock(&self.queue).open {
            return closed();
        }
        let message =
            format!("the store's thread lost `{}`; its transaction is rolled back", turn.begin.label);
        Error::new(ErrorKind::Internal, message)
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Locks, also after a panic: what these locks guard is whole at every moment.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
