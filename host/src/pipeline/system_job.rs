//! What a step asks of the system job that it runs in: the rules that components and native steps share.

use std::sync::Arc;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{CHECKPOINT_BYTES_MAX, NOTE_BYTES_MAX, Progress};
use crate::model::{DateTime, Value};
use crate::pipeline::execution::Execution;
use crate::pipeline::runner::SystemJob;
use crate::store::BoxFuture;

/// What a step's system job has to do; an error instead says why it may not.
type Begun = Result<BoxFuture<'static, Result<()>>>;

impl Execution {
    /// How often the step's system job was started, this run included; 0 in a synchronous step.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.job.as_ref().map_or(0, |job| job.attempt())
    }

    /// What the step saved last, in this run or an earlier one of the same system job.
    #[must_use]
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        self.job.as_ref().and_then(|job| job.checkpoint())
    }

    /// Begins to save a checkpoint, of at most [`CHECKPOINT_BYTES_MAX`] bytes.
    pub fn save_checkpoint(&self, data: Vec<u8>) -> Begun {
        save_checkpoint(self.system_job("save a checkpoint")?, data)
    }

    /// Begins to show how far the step is.
    pub fn report_progress(&self, progress: Progress) -> Begun {
        report_progress(self.system_job("report progress")?, progress)
    }

    /// Has the job run again at that moment if the step succeeds.
    pub fn postpone_until(&self, moment: DateTime) -> Result<()> {
        postpone_until(self.system_job("postpone itself")?, moment)
    }

    fn system_job(&self, action: &str) -> Result<&Arc<dyn SystemJob>> {
        self.job.as_ref().ok_or_else(|| {
            refused(format!(
                "the step cannot {action}: only an asynchronous step has a system job, and it runs synchronously on {} \
                 at {}",
                self.context.message, self.context.stage
            ))
        })
    }
}

fn save_checkpoint(job: &Arc<dyn SystemJob>, data: Vec<u8>) -> Begun {
    if data.len() > CHECKPOINT_BYTES_MAX {
        return Err(refused(format!(
            "a checkpoint of {} bytes is too large: it has {CHECKPOINT_BYTES_MAX} at most; save where the step is, and \
             keep large data in records",
            data.len()
        )));
    }
    Ok(Arc::clone(job).save_checkpoint(data))
}

fn report_progress(job: &Arc<dyn SystemJob>, progress: Progress) -> Begun {
    if let Some(percent) = progress.percent.filter(|percent| *percent > 100) {
        return Err(refused(format!(
            "the progress cannot be {percent} percent: it goes from 0 to 100; leave it out where the step cannot tell"
        )));
    }
    if progress.note.len() > NOTE_BYTES_MAX {
        return Err(refused(format!(
            "a progress note of {} bytes is too long: it has {NOTE_BYTES_MAX} at most; trace what is longer",
            progress.note.len()
        )));
    }
    Ok(Arc::clone(job).report_progress(progress))
}

fn postpone_until(job: &Arc<dyn SystemJob>, moment: DateTime) -> Result<()> {
    if !Value::DateTime(moment).can_be_written() {
        return Err(refused(format!(
            "the step cannot postpone itself until {moment}: a moment is in the years -9999 to 9999"
        )));
    }
    job.postpone_until(moment)
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Notes what it is asked for.
    #[derive(Default)]
    struct Noting(Mutex<Vec<String>>);

    impl Noting {
        fn note(&self, what: String) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl SystemJob for Noting {
        fn attempt(&self) -> u32 {
            1
        }

        fn checkpoint(&self) -> Option<Vec<u8>> {
            None
        }

        fn save_checkpoint(self: Arc<Self>, data: Vec<u8>) -> BoxFuture<'static, Result<()>> {
            Box::pin(async move {
                self.note(format!("saved {}", data.len()));
                Ok(())
            })
        }

        fn report_progress(self: Arc<Self>, progress: Progress) -> BoxFuture<'static, Result<()>> {
            Box::pin(async move {
                self.note(format!("at {:?} with {}", progress.percent, progress.note.len()));
                Ok(())
            })
        }

        fn postpone_until(&self, moment: DateTime) -> Result<()> {
            self.note(format!("until {moment}"));
            Ok(())
        }
    }

    /// What the job is asked for, or the error that it is spared.
    async fn answer(ask: impl FnOnce(&Arc<dyn SystemJob>) -> Begun) -> String {
        let noting = Arc::new(Noting::default());
        let job: Arc<dyn SystemJob> = Arc::clone(&noting) as _;
        match ask(&job) {
            Ok(call) => call.await.unwrap(),
            Err(error) => return error.to_string(),
        }
        noting.0.lock().unwrap().concat()
    }

    #[tokio::test]
    async fn a_job_is_asked_only_for_what_has_a_sensible_size() {
        let save = |bytes| answer(move |job| save_checkpoint(job, vec![0; bytes]));
        let report = |percent, bytes: usize| {
            answer(move |job| report_progress(job, Progress { percent, note: "x".repeat(bytes) }))
        };
        let postpone = |millis| {
            answer(move |job| {
                postpone_until(job, DateTime(millis)).map(|()| Box::pin(async { Ok(()) }) as BoxFuture<'_, _>)
            })
        };
        for (answer, expected) in [
            (save(0).await, "saved 0"),
            (save(CHECKPOINT_BYTES_MAX).await, "saved 1048576"),
            (save(CHECKPOINT_BYTES_MAX + 1).await, "a checkpoint of 1048577 bytes is too large"),
            (report(None, 0).await, "at None with 0"),
            (report(Some(100), NOTE_BYTES_MAX).await, "at Some(100) with 1000"),
            (report(Some(101), 0).await, "the progress cannot be 101 percent"),
            (report(None, NOTE_BYTES_MAX + 1).await, "a progress note of 1001 bytes is too long"),
            (postpone(0).await, "until 1970-01-01T00:00:00Z"),
            (postpone(i64::MAX).await, "a moment is in the years -9999 to 9999"),
        ] {
            assert!(answer.contains(expected), "{answer} does not say {expected:?}");
        }
    }
}
