use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation)]
fn on(_: &mut Create<Account>) -> Result {
    Ok(())
}

#[step(PreOperation, name = "on")]
fn again(_: &mut Update<Account>) -> Result {
    Ok(())
}

plugin!(on, again);

fn main() {}
