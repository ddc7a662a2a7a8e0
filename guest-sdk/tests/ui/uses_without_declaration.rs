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

struct Plain;

plugin!(on, uses(Account, Plain));

fn main() {}
