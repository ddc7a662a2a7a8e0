//! System jobs as records: an Update moves a job, a Delete removes one that is over.

use uuid::Uuid;

use super::{Operation, invalid};
use crate::model::Entity;
use crate::model::error::Result;
use crate::model::job::{Control, Controlled, SYSTEM_JOB_ENTITY};

/// Does what the target's attributes ask of the job.
pub(super) async fn update(cx: Operation<'_>, id: Uuid, target: &Entity) -> Result<()> {
    let control = Control::from_attributes(&target.attributes)?;
    only(cx.transaction.control_jobs(&[id], control, cx.now).await?)
}

pub(super) async fn delete(cx: Operation<'_>, id: Uuid) -> Result<()> {
    only(cx.transaction.delete_jobs(&[id]).await?)
}

/// An error for a message that system jobs do not have.
pub(super) fn refuse(message: &str) -> crate::model::Error {
    invalid(format!(
        "{message} does not apply to `{SYSTEM_JOB_ENTITY}`: the host makes the system jobs; Update, SetState and Delete \
         apply, of the state, the status and `postponeuntil`"
    ))
}

fn only(controlled: Vec<Controlled>) -> Result<()> {
    controlled.into_iter().try_for_each(|controlled| controlled.result.map(drop))
}
