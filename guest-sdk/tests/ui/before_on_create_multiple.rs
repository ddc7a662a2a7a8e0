use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation, before(name))]
fn on(_: &mut CreateMultiple<Account>) -> Result {
    Ok(())
}

fn main() {}
