use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

type New = Create<Account>;

#[step(PreOperation, changed(name))]
fn on(_: &mut New) -> Result {
    Ok(())
}

plugin!(on);

fn main() {}
