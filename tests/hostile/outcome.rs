//! What came of a strike, and whether it is what must.

use stagegate::model::fault::{DETAILS_MAX, TEXT_BYTES_MAX};
use stagegate::model::job::{POSTPONE_MIN, Suspension};
use stagegate::{Error, ErrorKind, Job, JobStatus, Response};

use super::attack::{Attack, Must};

/// What came of a strike.
#[derive(Debug)]
pub enum Outcome {
    /// Of the request in which the step ran.
    Request(Result<Response, Error>),
    /// Of the system job that it ran as.
    Job(Box<Job>),
}

impl Attack {
    /// Whether a plugin that could not be loaded is what must be, and otherwise what was wrong.
    pub fn judge_refusal(&self, error: &Error) -> Result<(), String> {
        match self.must {
            Must::BeRefused(because) if error.kind() == ErrorKind::InvalidPlugin => {
                // The file's name says what it tries; what counts comes after it.
                let (_, says) = error.message().split_once(".wasm ").unwrap_or_default();
                if says.contains(because) { Ok(()) } else { Err(format!("{error} does not say {because:?}")) }
            }
            _ => Err(format!("it must be loaded and {:?}: {error:?}", self.must)),
        }
    }

    /// Whether what came of a strike is what must, and otherwise what was wrong.
    pub fn judge(&self, outcome: &Outcome) -> Result<(), String> {
        let is_as_it_must = match outcome {
            Outcome::Request(result) => self.is_as_it_must(result.as_ref().err().map(Error::kind)),
            Outcome::Job(job) => self.has_ended_as_it_must(job),
        };
        if !is_as_it_must {
            return Err(format!("it must {:?}, and there was {outcome:?}", self.must));
        }
        match outcome {
            Outcome::Request(Ok(_)) => Ok(()),
            Outcome::Request(Err(error)) => is_short(error),
            Outcome::Job(job) => {
                let text = job.error.as_ref().map_or(0, |error| error.message.len());
                if text > TEXT_BYTES_MAX {
                    Err(format!("its job has an error of {text} bytes"))
                } else {
                    Ok(())
                }
            }
        }
    }

    fn is_as_it_must(&self, kind: Option<ErrorKind>) -> bool {
        match self.must {
            Must::BeRefused(_) | Must::Wait => false,
            Must::BeStopped => kind == Some(ErrorKind::Timeout),
            Must::Fail(must) => kind == Some(must),
            Must::HaveNoEffect => kind.is_none(),
        }
    }

    fn has_ended_as_it_must(&self, job: &Job) -> bool {
        let failed = |kind: ErrorKind| {
            job.status == JobStatus::Failed
                && job.error.as_ref().is_some_and(|error| error.code == kind.code())
        };
        match self.must {
            Must::BeRefused(_) => false,
            Must::BeStopped => failed(ErrorKind::Timeout),
            Must::Fail(kind) => failed(kind),
            Must::HaveNoEffect => job.status == JobStatus::Succeeded,
            Must::Wait => job.suspension == Some(Suspension::Postponed) && waits(job) && job.attempt == 1,
        }
    }
}

/// Whether a job that has begun is not run again at once.
fn waits(job: &Job) -> bool {
    let least = i64::try_from(POSTPONE_MIN.as_millis()).unwrap_or(i64::MAX);
    job.postpone_until.zip(job.started_on).is_some_and(|(until, began)| until.0 - began.0 >= least)
}

fn is_short(error: &Error) -> Result<(), String> {
    let texts = error.details().iter().flat_map(|(name, text)| [name.as_str(), text]);
    let diagnostic = error.diagnostic().unwrap_or_default();
    let texts = texts.chain([error.message(), &diagnostic]);
    let (longest, details) = (texts.map(str::len).max().unwrap_or(0), error.details().len());
    if longest > TEXT_BYTES_MAX || details > DETAILS_MAX {
        return Err(format!("its error has {details} details and a text of {longest} bytes"));
    }
    Ok(())
}
