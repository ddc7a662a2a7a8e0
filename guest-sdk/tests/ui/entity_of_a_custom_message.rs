use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[derive(CustomMessage)]
#[message("sg_Approve", response = Approved)]
struct Approve {
    #[target]
    account: Ref<Account>,
    amount: Money,
}

#[derive(Response)]
struct Approved {
    by: String,
}

#[step(PreOperation, entity = "account")]
fn on(_: &mut Call<Approve>) -> Result {
    Ok(())
}

fn main() {}
