//! The system job that an asynchronous step runs in.

use std::fmt;

use crate::Result;
// The glob, as the trait is in use for the component's handle only: a trait object's methods need no import.
use crate::services::*;
use crate::value::DateTime;

/// The system job that an asynchronous step runs in, from [`Context::job`](crate::Context::job).
///
/// A job is run again after a failure that may pass ([`Fault::retry`](crate::Fault::retry)), after its host stopped or
/// died, and when the step [asks for it](Self::postpone_until). With a checkpoint the next run goes on where this one
/// was. So a step that is made for long work (`#[step(PostOperation, async, background)]`) saves one after each piece of
/// it, and begins with the last:
///
/// ```
/// # use stagegate_sdk::prelude::*;
/// # use stagegate_sdk::testing::Fake;
/// # #[derive(Entity, Default)]
/// # #[entity("campaign")]
/// # struct Campaign {
/// #     name: Field<String>,
/// # }
/// # #[derive(Entity, Default)]
/// # #[entity("contact")]
/// # struct Contact {
/// #     fullname: Field<String>,
/// # }
/// # #[derive(Entity, Default, Debug)]
/// # #[entity("letter")]
/// # struct Letter {
/// #     subject: Field<String>,
/// # }
/// /// Writes a letter to every contact. The checkpoint says where the next page of contacts begins.
/// #[step(PostOperation, async, background)]
/// fn write_letters(ctx: &mut Create<Campaign>) -> Result {
///     let (job, org) = (ctx.job(), ctx.org());
///     let mut query = Query::<Contact>::new().page(100);
///     if let Some(checkpoint) = job.checkpoint() {
///         query = query.page_after(100, String::from_utf8(checkpoint)?);
///     }
///     loop {
///         let page = org.retrieve_page(query.clone())?;
///         for contact in page.rows {
///             let letter = Letter { subject: contact.fullname.clone() };
///             // A run that was stopped before its next checkpoint has written some of these letters.
///             ctx.create_once(contact.id, letter)?;
///         }
///         let Some(next) = page.paging_cookie else { return Ok(()) };
///         job.save_checkpoint(&next)?;
///         job.report_progress(None, "another page of contacts")?;
///         query = query.page_after(100, next);
///     }
/// }
///
/// plugin!(write_letters, uses(Contact, Letter));
///
/// // A native test: a run that goes on from the second page.
/// # fn main() {
/// let org = Fake::new();
/// for number in 0..150 {
///     org.add(Contact { fullname: format!("contact {number}").into() });
/// }
/// let went_on = org.with_checkpoint("after 100");
/// went_on.run_create::<write_letters>(Campaign::default()).unwrap();
/// assert_eq!(org.created_of::<Letter>().unwrap().len(), 50);
///
/// org.run_create::<write_letters>(Campaign::default()).unwrap();
/// assert_eq!(org.created_of::<Letter>().unwrap().len(), 50 + 150);
/// assert_eq!(org.checkpoints(), [b"after 100"]);
/// # }
/// ```
///
/// A synchronous step has no system job. There [`attempt`](Self::attempt) is 0, [`checkpoint`](Self::checkpoint) is
/// none, and the other methods fail.
#[derive(Clone)]
pub struct SystemJob {
    services: Handle,
}

impl SystemJob {
    /// The bytes of a checkpoint at most.
    pub const CHECKPOINT_BYTES_MAX: usize = 1 << 20;
    /// The bytes of a progress note at most.
    pub const NOTE_BYTES_MAX: usize = 1000;

    pub(crate) fn new(services: Handle) -> Self {
        Self { services }
    }

    /// How often the job was started, this run included: 1 in the first. 0 in a synchronous step.
    pub fn attempt(&self) -> u32 {
        self.services.attempt()
    }

    /// What the step saved last, in this run or an earlier one of the same job; none if it never did.
    pub fn checkpoint(&self) -> Option<Vec<u8>> {
        self.services.checkpoint()
    }

    /// Saves where the step is, in place of the last checkpoint.
    ///
    /// It is on disk when the method returns, in a commit of its own. The requests that the step issued are done
    /// whatever is saved. So save after them, and write them such that they may be done twice, as
    /// [`Context::create_once`](crate::Context::create_once) does: a later run may meet the last ones again.
    ///
    /// Here a job is stopped that is paused or canceled, or whose host stops: the method then does not return, and a
    /// later run goes on from this checkpoint. A step that saves without a pause is slowed down: the host has it wait, at
    /// most for a second each time.
    ///
    /// # Errors
    /// If it has more than [`CHECKPOINT_BYTES_MAX`](Self::CHECKPOINT_BYTES_MAX) bytes, or the step is synchronous.
    pub fn save_checkpoint(&self, data: impl AsRef<[u8]>) -> Result {
        self.services.save_checkpoint(data.as_ref())
    }

    /// Tells operators how far the step is, who see it with the job: from 0 to 100 percent, or none where the step
    /// cannot tell, and what it is at.
    ///
    /// # Errors
    /// If the percentage is above 100, the note has more than [`NOTE_BYTES_MAX`](Self::NOTE_BYTES_MAX) bytes, or the
    /// step is synchronous.
    pub fn report_progress(&self, percent: impl Into<Option<u8>>, note: impl fmt::Display) -> Result {
        self.services.report_progress(percent.into(), &note.to_string())
    }

    /// Has the step run again: if it returns `Ok`, its job is not over but waits until `moment`, at least for a second, and
    /// runs the step with the last checkpoint. The last call counts; a step that fails postpones nothing.
    ///
    /// # Errors
    /// If the moment is outside of the years -9999 to 9999, or the step is synchronous.
    pub fn postpone_until(&self, moment: DateTime) -> Result {
        self.services.postpone_until(moment)
    }
}
