//! Custom messages: declared, called, implemented, and stepped on.

use std::cell::Cell;
use std::rc::Rc;

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug, PartialEq)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
enum Channel {
    Web = 1,
    Shop = 2,
}

/// Quotes a price.
#[derive(CustomMessage)]
#[message("sg_Quote", response = Quoted)]
struct Quote {
    #[target]
    account: Ref<Account>,
    price: Money,
    channel: Channel,
    #[parameter("Coupon")]
    coupon_code: Option<String>,
}

#[derive(Response, Debug, PartialEq)]
struct Quoted {
    price: Money,
    reason: Option<String>,
}

fn quote(account: Ref<Account>, price: i64) -> Quote {
    Quote { account, price: Money::new(price), channel: Channel::Web, coupon_code: None }
}

fn fixture() -> (Fake, Ref<Account>) {
    let org = Fake::new();
    let acme = org.add(Account { name: "Acme".into(), creditlimit: Money::new(100).into() });
    (org, acme)
}

#[step(MainOperation)]
fn answer_quote(ctx: &mut Call<Quote>) -> Result<Quoted> {
    assert_eq!(
        (ctx.message(), ctx.stage(), ctx.entity_name()),
        ("sg_Quote", Stage::MainOperation, "account")
    );
    assert_eq!(ctx.record(), Some(ctx.request.account.into()));
    let account: Account = ctx.org().retrieve(ctx.request.account)?;
    ensure!(
        ctx.request.price <= account.creditlimit.or_default(),
        "too much for {}",
        account.name.require()?
    );
    let reason = ctx.request.coupon_code.clone();
    let off = if ctx.request.channel == Channel::Shop { 10 } else { 0 };
    Ok(Quoted { price: ctx.request.price - Money::new(off), reason })
}

#[test]
fn the_main_operation_answers() {
    let (org, acme) = fixture();
    let quoted = org.run_call::<answer_quote>(quote(acme, 50)).unwrap();
    assert_eq!(quoted, Quoted { price: Money::new(50), reason: None });
    let shop = Quote { channel: Channel::Shop, coupon_code: Some("X".into()), ..quote(acme, 50) };
    let quoted = org.run_call::<answer_quote>(shop).unwrap();
    assert_eq!(quoted, Quoted { price: Money::new(40), reason: Some("X".into()) });
    assert_eq!(org.run_call::<answer_quote>(quote(acme, 101)).unwrap_err().message(), "too much for Acme");
}

#[step(PreOperation)]
fn round_down(ctx: &mut Call<Quote>) -> Result {
    assert!(ctx.response.is_none());
    ctx.request.price = Money::new(7);
    ctx.request.coupon_code = Some("NEW".into());
    Ok(())
}

#[step(PostOperation)]
fn sign(ctx: &mut Call<Quote>) -> Result {
    assert_eq!(ctx.request.price, Money::new(50));
    if let Some(response) = &mut ctx.response {
        response.reason = Some(format!("{} by the house", response.price));
    }
    Ok(())
}

#[test]
fn other_steps_change_the_request_and_the_response() {
    let (org, acme) = fixture();
    org.implement(|request: Quote, _: &Organization| {
        Ok(Quoted { price: request.price, reason: request.coupon_code })
    });
    let quoted = org.run_call::<round_down>(quote(acme, 50)).unwrap();
    assert_eq!(quoted, Quoted { price: Money::new(7), reason: Some("NEW".into()) });
    let quoted = org.run_call::<sign>(quote(acme, 50)).unwrap();
    assert_eq!(quoted.reason.as_deref(), Some("50.00 by the house"));
}

#[step(PreOperation)]
fn takes_the_coupon(ctx: &mut Call<Quote>) -> Result {
    ctx.request.coupon_code = None;
    Ok(())
}

#[test]
fn a_parameter_that_was_given_stays() {
    let (org, acme) = fixture();
    let request = Quote { coupon_code: Some("X".into()), ..quote(acme, 1) };
    let fault = org.run_call::<takes_the_coupon>(request).unwrap_err();
    assert_eq!(
        fault.message(),
        "The parameter `Coupon` was given, and a step cannot take it away: give it another value."
    );
}

#[step(PreOperation)]
fn quotes_itself(ctx: &mut Update<Account>) -> Result {
    let quoted = ctx.org().call(quote(ctx.id(), 30))?;
    ctx.target.creditlimit = quoted.price.into();
    Ok(())
}

#[test]
fn a_step_calls_a_message() {
    let (org, acme) = fixture();
    let fault = org.run::<quotes_itself>(acme, Account::default()).unwrap_err();
    assert_eq!(
        fault.message(),
        "The fake does not know the message `sg_Quote`: give it a main operation with `Fake::implement`."
    );
    assert_eq!(fault.code(), code::UNKNOWN_MESSAGE);

    let calls = Rc::new(Cell::new(0));
    let counted = Rc::clone(&calls);
    org.implement(move |request: Quote, org: &Organization| {
        counted.set(counted.get() + 1);
        let account: Account = org.retrieve(request.account)?;
        Ok(Quoted { price: request.price + account.creditlimit.or_default(), reason: None })
    });
    let target = org.run::<quotes_itself>(acme, Account::default()).unwrap();
    assert_eq!((target.creditlimit, calls.get()), (Money::new(130).into(), 1));
}

#[derive(CustomMessage)]
#[message("sg_Everything", steps = "async-only", response = Everything)]
struct Everything2 {
    yes: bool,
    when: DateTime,
    exact: Decimal,
    record: Record,
    account: Account,
    accounts: Vec<Account>,
    rows: Vec<Row<Account>>,
    any: EntityCollection,
    reference: EntityReference,
    share: f64,
    count: i32,
    option: Choice,
    text: String,
    texts: Vec<String>,
    guid: UniqueIdentifier,
}

#[derive(Response)]
struct Everything {
    row: Option<Row<Account>>,
}

#[step(MainOperation)]
fn everything(ctx: &mut Call<Everything2>) -> Result<Everything> {
    let request = &ctx.request;
    assert!(request.yes && request.share > 0.0 && request.count == 3 && request.option.is(Channel::Shop));
    assert_eq!((request.when, request.exact), (ctx.now(), Decimal::from(5)));
    assert_eq!(request.record.value::<String>("name").as_deref(), Some("R"));
    assert!(request.account.name.is("A"));
    assert_eq!(request.accounts.iter().map(|account| account.name.or_default()).collect::<String>(), "BC");
    assert_eq!((request.any.records.len(), request.text.as_str(), request.texts.len()), (1, "t", 2));
    assert_eq!(request.reference, EntityReference::new("account", request.guid));
    let row = request.rows.first();
    let same = row.map(|row| Row::new(row.id, Account { name: row.name.clone(), ..default() }));
    Ok(Everything { row: same })
}

#[test]
fn every_type_crosses() {
    let (org, acme) = fixture();
    let named = |name: &str| Account { name: name.into(), ..default() };
    let done = org.run_call::<everything>(Everything2 {
        yes: true,
        when: org.now(),
        exact: Decimal::from(5),
        record: Record::new("lead").with("name", "R"),
        account: named("A"),
        accounts: vec![named("B"), named("C")],
        rows: vec![Row::new(acme, named("D"))],
        any: EntityCollection::new("lead", vec![Record::new("lead")]),
        reference: acme.into(),
        share: 0.5,
        count: 3,
        option: Channel::Shop.into(),
        text: "t".into(),
        texts: vec!["a".into(), "b".into()],
        guid: acme.id(),
    });
    let row = done.unwrap().row.unwrap();
    assert!(row.id == acme && row.name.is("D"));
}

#[step(PreOperation, message = "sg_Quote")]
fn untyped(ctx: &mut AnyMessage<Record>) -> Result {
    assert!(ctx.input_parameters().iter().any(|name| name == "Price"));
    let price = ctx.input_parameter("Price").and_then(|price| price.to::<Money>()).unwrap_or_default();
    ctx.set_input_parameter("Price", price * 2)?;
    let fault = ctx.set_input_parameter("Price", "much").unwrap_err();
    assert_eq!(fault.message(), "The parameter `Price` cannot be changed: not to one of the type string.");
    let fault = ctx.set_output_parameter("Reason", "none").unwrap_err();
    assert_eq!(fault.message(), "The parameter `Reason` cannot be changed: not in PreOperation.");
    Ok(())
}

#[step(MainOperation, message = "sg_Untyped")]
fn untyped_answer(ctx: &mut AnyMessage<Record>) -> Result {
    let text: String = ctx.input_parameter("Text").and_then(|text| text.to()).unwrap_or_default();
    ctx.set_output_parameter("Length", i32::try_from(text.len())?)
}

#[test]
fn a_message_goes_without_structs_too() {
    let (org, acme) = fixture();
    org.implement(|request: Quote, _: &Organization| Ok(Quoted { price: request.price, reason: None }));
    let output = org.run_request::<untyped>(Request::call(quote(acme, 4))).unwrap();
    assert_eq!(output.value("Price"), Some(Money::new(8)));

    let request = Request::new("sg_Untyped").with("Text", "four");
    let output = org.run_request::<untyped_answer>(request).unwrap();
    assert_eq!(output.value("Length"), Some(4));
}

#[test]
fn what_does_not_fit_says_which_parameter() {
    let (org, acme) = fixture();
    let request = Request::call(quote(acme, 4)).with("Price", "four");
    let fault = org.run_request::<answer_quote>(request).unwrap_err();
    assert!(fault.message().starts_with("The parameter `Price` is of the type string"), "{fault}");
    let request = Request::new("sg_Quote").with("Target", acme).with("Price", Money::new(1));
    let fault = org.run_request::<answer_quote>(request).unwrap_err();
    assert!(fault.message().starts_with("The parameter `Channel` is not there"), "{fault}");
}

/// A struct covers a part of a record, and the rest of it stays.
#[derive(CustomMessage)]
#[message("sg_Rename", response = Renamed)]
struct Rename {
    account: Account,
}

#[derive(Response)]
struct Renamed {
    account: Record,
}

#[step(PreOperation)]
fn shout(ctx: &mut Call<Rename>) -> Result {
    ctx.request.account.name = ctx.request.account.name.or_default().to_uppercase().into();
    Ok(())
}

#[test]
fn a_record_keeps_what_the_struct_has_no_column_for() {
    let org = Fake::new();
    let account = Record::new("account").with("name", "acme").with("telephone1", "112");
    let request = Request::new("sg_Rename").with("Account", account.clone());
    #[derive(CustomMessage)]
    #[message("sg_Rename", response = Renamed)]
    struct Whole {
        account: Record,
    }
    org.implement(|request: Whole, _: &Organization| Ok(Renamed { account: request.account }));
    let output = org.run_request::<shout>(request).unwrap();
    assert_eq!(output.value("Account"), Some(account.with("name", "ACME")));
}
