use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation, children("account_tasks"))]
fn on(_: &mut Delete<Account>) -> Result {
    Ok(())
}

fn main() {}
