//! Guards an account's credit line: a rise above the caller's own limit is refused, and an accepted rise is dated and
//! leaves a follow-up task.

use std::time::Duration;

use stagegate_sdk::prelude::*;

/// The columns of `account` that this plugin touches; no other column crosses the boundary.
#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
    creditapprovedon: Field<DateTime>,
}

#[derive(Entity, Default)]
#[entity("systemuser")]
struct User {
    approvallimit: Field<Money>,
}

#[derive(Entity, Default)]
#[entity("task")]
struct Task {
    subject: Field<String>,
    scheduledend: Field<DateTime>,
    regardingobjectid: Field<Ref<Account>>,
}

/// Shared variables: set by `approve_rise`, read by `follow_up`.
#[derive(Shared)]
struct Rise {
    from: Money,
    to: Money,
}

/// Refuses a rise above the caller's approval limit, and dates an accepted one.
#[step(PreOperation, changed(creditlimit), before(creditlimit))]
fn approve_rise(ctx: &mut Update<Account>) -> Result {
    let (from, to) = (ctx.before.creditlimit.or_default(), ctx.target.creditlimit.or_default());
    if to <= from {
        return Ok(());
    }
    let caller: User = ctx.org().retrieve(ctx.user())?;
    ensure!(to <= caller.approvallimit.or_default(), "a credit limit of {to} needs an approver");

    trace!("credit limit {from} -> {to}");
    ctx.target.creditapprovedon = ctx.now().into();
    ctx.share(Rise { from, to })
}

/// Leaves a task to talk to a customer whose limit rose. Runs once the rise is committed.
#[step(PostOperation, async, changed(creditlimit), after(name))]
fn follow_up(ctx: &mut Update<Account>) -> Result {
    let Some(Rise { from, to }) = ctx.shared() else { return Ok(()) };
    let task = Task {
        subject: format!("{}: limit raised from {from} to {to}", ctx.after.name.or_default()).into(),
        scheduledend: (ctx.now() + WITHIN).into(),
        regardingobjectid: ctx.id().into(),
    };
    // The job may be run again after the task is committed: that attempt finds the task and is done.
    ctx.create_once("follow-up", task)?;
    Ok(())
}

/// How soon somebody should have talked to the customer.
const WITHIN: Duration = Duration::from_hours(72);

plugin!(approve_rise, follow_up, uses(User, Task));

#[cfg(test)]
mod tests;
