use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation, changed(name))]
fn on(_: &mut Update<Record>) -> Result {
    Ok(())
}

fn main() {}
