use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[step(PreOperation)]
fn on(_: &mut Call<Account>) -> Result {
    Ok(())
}

fn main() {}
