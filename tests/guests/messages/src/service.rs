//! Every function of the organization service, and of the system job that a synchronous step has not, each in a message
//! of its own: `test_Serve` with the function's name.

use stagegate_sdk::prelude::*;

use crate::{Account, Double, Task};

/// Uses one function of the organization service.
#[derive(CustomMessage)]
#[message("test_Serve", response = Served)]
pub(crate) struct Serve {
    function: String,
    account: Ref<Account>,
    other: EntityReference,
}

#[derive(Response)]
pub(crate) struct Served {
    text: String,
}

#[step(MainOperation)]
pub(crate) fn serve(ctx: &mut Call<Serve>) -> Result<Served> {
    let (org, id, other) = (ctx.org(), ctx.request.account, ctx.request.other.clone());
    let named = |name: &str| Account { name: name.into(), ..default() };
    let text = match ctx.request.function.as_str() {
        "upsert" => org.upsert(id, named("upserted"))?.record_created.to_string(),
        "upsert_by_key" => org.upsert_by_key(key(), named("keyed"))?.record_created.to_string(),
        "retrieve_by_key" => org.retrieve_by_key(key())?.name.or_default(),
        "update_by_key" => done(org.update_by_key(key(), named("changed")))?,
        "delete_by_key" => done(org.delete_by_key(key()))?,
        "update_if" => done(org.update_if(id, 0, named("too late")))?,
        "associate" => done(org.associate(id, "partners", [other]))?,
        "disassociate" => done(org.disassociate(id, "partners", [other]))?,
        "assign" => done(org.assign(id, other))?,
        "set_state" => done(org.set_state(id, Choice(1), None))?,
        "create_multiple" => org.create_multiple([named("one"), named("two")])?.len().to_string(),
        "update_multiple" => done(org.update_multiple([Row::new(id, named("many"))]))?,
        "upsert_multiple" => org.upsert_multiple([Row::new(id, named("many"))])?.len().to_string(),
        "delete_multiple" => done(org.delete_multiple([id]))?,
        "call" => org.call(Double { account: id, amount: Money::new(3), times: Some(9) })?.amount.to_string(),
        "as_user" => done(ctx.org_as(other.id).update(id, named("by another")))?,
        "tag" => done(org.tag("night").update(id, named("tagged")))?,
        "execute_transaction" => {
            let requests = [Request::create(named("first")), Request::delete(other)];
            org.execute_transaction(requests)?.len().to_string()
        }
        "bypass" => {
            let request = Request::create(named("x")).with("BypassCustomPluginExecution", true);
            org.execute_transaction([request])?.len().to_string()
        }
        "execute_multiple" => {
            let requests = [Request::delete(other), Request::create(named("second"))];
            let results = org.execute_multiple(requests, true)?;
            results.iter().map(|result| if result.is_ok() { 'y' } else { 'n' }).collect()
        }
        "fetch" => names(&org.fetch::<Account>(FETCH_XML)?.rows),
        "links" => names(&org.retrieve_multiple(with_tasks())?),
        "linked" => {
            let tasks = Query::<Task>::new().link(Link::to(Task::COLUMNS.accountid).with_columns());
            let found = org.retrieve_multiple(tasks.order_by(Task::COLUMNS.subject))?;
            let owners = found.iter().map(|task| Ok(task.linked::<Account>()?.name.or_default()));
            owners.collect::<Result<Vec<_>>>()?.join(" ")
        }
        "pages" => {
            let pages = org.pages(Query::<Account>::new().order_by("name"), 2);
            let sizes = pages.map(|page| Ok(page?.len().to_string()));
            sizes.collect::<Result<Vec<_>>>()?.join(" ")
        }
        "count" => org.count(Query::<Account>::new())?.to_string(),
        "dates" => names(&org.retrieve_multiple(today())?),
        "job" => format!("{} {:?}", ctx.job().attempt(), ctx.job().checkpoint()),
        "save_checkpoint" => done(ctx.job().save_checkpoint("here"))?,
        "report_progress" => done(ctx.job().report_progress(50, "halfway"))?,
        "postpone_until" => done(ctx.job().postpone_until(ctx.now()))?,
        other => bail!("there is no function `{other}`"),
    };
    Ok(Served { text })
}

const FETCH_XML: &str =
    "<fetch><entity name='account'><attribute name='name'/><order attribute='name'/></entity></fetch>";

fn key() -> Key<Account> {
    Key::new(Account::COLUMNS.number, "K-1")
}

fn with_tasks() -> Query<Account> {
    let tasks = Link::<Task>::by(Task::COLUMNS.accountid).exists();
    Query::new().link(tasks).order_by(Account::COLUMNS.name)
}

fn today() -> Query<Account> {
    Query::new().filter(condition("createdon", "today", [])).order_by(Account::COLUMNS.name)
}

fn names(found: &[Row<Account>]) -> String {
    let names: Vec<_> = found.iter().map(|account| account.name.or_default()).collect();
    names.join(" ")
}

fn done(result: Result) -> Result<String> {
    result.map(|()| "done".to_owned())
}
