use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

fn query() -> Query<Account> {
    Query::new().link(Link::to(Account::COLUMNS.name))
}

fn main() {}
