//! Closes a case's children with it, and theirs in turn; or none of them, if one is blocked.

use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("incident")]
struct Case {
    title: Field<String>,
    casestatus: Field<Status>,
    parentcaseid: Field<Ref<Case>>,
}

#[derive(Choice, Clone, Copy, PartialEq)]
enum Status {
    Open = 1,
    Blocked = 2,
    Closed = 3,
}

/// When a case closes, closes its children. Each of those is an Update of its own, which comes through here again, one
/// deeper.
#[step(PostOperation, changed(casestatus), before(title, casestatus))]
fn close_children(ctx: &mut Update<Case>) -> Result {
    if !ctx.target.casestatus.is(Status::Closed) || ctx.before.casestatus.is(Status::Closed) {
        return Ok(());
    }
    let children = Query::<Case>::new()
        .filter(Case::COLUMNS.parentcaseid.eq(ctx.id()))
        .filter(Case::COLUMNS.casestatus.ne(Status::Closed));
    for child in ctx.org().retrieve_multiple(children)? {
        let (case, title) = (ctx.before.title.or_default(), child.title.or_default());
        // The fault rolls back what this request has closed so far, all the way up.
        ensure!(
            !child.casestatus.is(Status::Blocked),
            "`{case}` cannot be closed: its child `{title}` is blocked; unblock it first"
        );
        trace!("depth {}: `{case}` closes `{title}`", ctx.depth());
        ctx.org().update(child.id, Case { casestatus: Status::Closed.into(), ..default() })?;
    }
    Ok(())
}

plugin!(close_children);

#[cfg(test)]
mod tests;
