use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation, changed_only)]
fn on(_: &mut Create<Account>) -> Result {
    Ok(())
}

fn main() {}
