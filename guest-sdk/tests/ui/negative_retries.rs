use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PostOperation, async, retries = -1)]
fn on(_: &mut Update<Account>) -> Result {
    Ok(())
}

fn main() {}
