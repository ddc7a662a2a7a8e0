use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PostOperation, after(name))]
fn on(_: &mut RetrieveMultiple<Account>) -> Result {
    Ok(())
}

fn main() {}
