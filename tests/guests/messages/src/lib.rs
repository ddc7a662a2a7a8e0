//! A step on every message that the SDK has an argument for, and a call of every function of the organization service.

use stagegate_sdk::prelude::*;

mod service;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    number: Field<String>,
    credit: Field<Money>,
    ownerid: Field<EntityReference>,
    statecode: Field<Choice>,
    statuscode: Field<Choice>,
}

#[derive(Entity, Default)]
#[entity("task")]
struct Task {
    subject: Field<String>,
    accountid: Field<Ref<Account>>,
}

/// Owners are given from the pre-image to the assignee.
#[step(PreOperation, before(ownerid))]
fn trace_assign(ctx: &mut Assign<Account>) -> Result {
    trace!("assign {:?} -> {}", ctx.before.ownerid, ctx.assignee);
    Ok(())
}

/// A state of 1 gets the status 2.
#[step(PreOperation, before(statecode))]
fn choose_status(ctx: &mut SetState<Account>) -> Result {
    trace!("state {:?} -> {}, {:?}", ctx.before.statecode, ctx.state.0, ctx.status);
    if ctx.state.is(Choice(1)) && ctx.status.is_none() {
        ctx.status = Some(Choice(2));
    }
    Ok(())
}

#[step(PostOperation)]
fn trace_associate(ctx: &mut Associate<Record>) -> Result {
    trace!("{} +{} {}", ctx.relationship(), ctx.related.len(), ctx.secondary_entity_name());
    Ok(())
}

#[step(PostOperation)]
fn trace_disassociate(ctx: &mut Disassociate<Record>) -> Result {
    trace!("{} -{} {}", ctx.relationship(), ctx.related.len(), ctx.secondary_entity_name());
    Ok(())
}

/// Nobody reads accounts without a name.
#[step(PreOperation)]
fn only_named(ctx: &mut RetrieveMultiple<Account>) -> Result {
    ctx.query.restrict(Account::COLUMNS.name.is_not_null());
    Ok(())
}

/// Nobody reads credits, and nobody reads of the account `secret`.
#[step(PostOperation)]
fn hide(ctx: &mut RetrieveMultiple<Account>) -> Result {
    ctx.output.retain(|account| !account.name.is("secret"));
    for account in &mut ctx.output {
        if account.credit.is_present() {
            account.credit.clear();
        }
    }
    Ok(())
}

/// New accounts are numbered in their order.
#[step(PreOperation)]
fn number_all(ctx: &mut CreateMultiple<Account>) -> Result {
    for (index, account) in ctx.targets.iter_mut().enumerate() {
        account.target.number = format!("N-{index}").into();
    }
    Ok(())
}

#[step(PostOperation, after(number))]
fn trace_created(ctx: &mut CreateMultiple<Account>) -> Result {
    for account in &ctx.targets {
        trace!("created {} {}", account.after.number.or_default(), account.id().is_some());
    }
    Ok(())
}

/// A credit that falls stays.
#[step(PreOperation, changed(credit), before(credit))]
fn no_cuts(ctx: &mut UpdateMultiple<Account>) -> Result {
    for account in &mut ctx.targets {
        if account.target.credit.or_default() < account.before.credit.or_default() {
            account.target.credit.unset();
        }
    }
    Ok(())
}

#[step(PreOperation, before(name))]
fn trace_deleted(ctx: &mut DeleteMultiple<Account>) -> Result {
    for account in &ctx.targets {
        trace!("delete {}", account.before.name.or_default());
    }
    Ok(())
}

/// The children are shown as they were before the cascade.
#[step(PreOperation, children("account_tasks", Task))]
fn trace_children(ctx: &mut Delete<Account>) -> Result {
    for task in ctx.children::<Task>("account_tasks")? {
        trace!("takes {} along", task.subject.or_default());
    }
    Ok(())
}

/// Runs only if the name has another value than before.
#[step(PostOperation, changed(name), changed_only)]
fn trace_rename(_: &mut Update<Account>) -> Result {
    trace!("renamed");
    Ok(())
}

/// Doubles an amount.
#[derive(CustomMessage)]
#[message("test_Double", response = Doubled)]
struct Double {
    #[target]
    account: Ref<Account>,
    amount: Money,
    times: Option<i32>,
}

#[derive(Response)]
struct Doubled {
    amount: Money,
    name: Option<String>,
}

#[step(MainOperation)]
fn double(ctx: &mut Call<Double>) -> Result<Doubled> {
    let account: Account = ctx.org().retrieve(ctx.request.account)?;
    let factor = 2_i32.pow(ctx.request.times.unwrap_or(1).try_into()?);
    Ok(Doubled { amount: ctx.request.amount * factor, name: account.name.into_option() })
}

/// Not more than four times.
#[step(PreOperation)]
fn limit_times(ctx: &mut Call<Double>) -> Result {
    ctx.request.times = ctx.request.times.map(|times| times.min(4));
    Ok(())
}

#[step(PostOperation)]
fn shout(ctx: &mut Call<Double>) -> Result {
    if let Some(response) = &mut ctx.response {
        response.name = response.name.take().map(|name| name.to_uppercase());
    }
    Ok(())
}

plugin!(
    trace_assign,
    choose_status,
    trace_associate,
    trace_disassociate,
    only_named,
    hide,
    number_all,
    trace_created,
    no_cuts,
    trace_deleted,
    trace_children,
    trace_rename,
    double,
    limit_times,
    shout,
    service::serve,
);
