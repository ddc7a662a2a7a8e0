use stagegate_sdk::testing::Fake;

use super::*;

fn fixture(loyalty: impl Into<Field<Loyalty>>) -> (Fake, Ref<Account>) {
    let org = Fake::new();
    let account = org.add(Account { loyalty: loyalty.into() });
    (org, account)
}

fn quote(account: Ref<Account>, coupon: Option<&str>) -> QuoteDiscount {
    QuoteDiscount { account, list_price: Money::new(200), coupon: coupon.map(str::to_owned) }
}

fn order(account: Ref<Account>) -> Order {
    Order { customerid: account.into(), listprice: Money::new(200).into(), ..default() }
}

#[test]
fn loyalty_has_its_price() {
    for (loyalty, percent, price) in
        [(Field::null(), 0, 200), (Loyalty::Silver.into(), 8, 184), (Loyalty::Gold.into(), 15, 170)]
    {
        let (org, account) = fixture(loyalty);
        let quoted = org.run_call::<quote_discount>(quote(account, None)).unwrap();
        assert_eq!(quoted, Discount { percent, price: Money::new(price), remark: None });
    }
}

#[test]
fn a_coupon_is_for_the_first_order() {
    let (org, account) = fixture(Loyalty::Silver);
    let quoted = org.run_call::<quote_discount>(quote(account, Some("WELCOME"))).unwrap();
    assert_eq!((quoted.percent, quoted.remark), (18, None));
    org.add(order(account));
    let quoted = org.run_call::<quote_discount>(quote(account, Some("WELCOME"))).unwrap();
    assert_eq!((quoted.percent, quoted.remark.as_deref()), (8, Some("WELCOME is for the first order")));
    let fault = org.run_call::<quote_discount>(quote(account, Some("FREE"))).unwrap_err();
    assert_eq!(fault.message(), "there is no coupon `FREE`");
}

#[test]
fn nobody_gets_more_than_the_configuration_says() {
    let (org, account) = fixture(Loyalty::Gold);
    org.implement(|request: QuoteDiscount, _: &Organization| Ok(discount(request.list_price, 25, None)));
    let capped = org.run_call::<cap_discount>(quote(account, None)).unwrap();
    assert_eq!((capped.percent, capped.price), (20, Money::new(160)));
    assert_eq!(capped.remark.as_deref(), Some("20 % is the most"));
    let capped = org.with_configuration("30").run_call::<cap_discount>(quote(account, None)).unwrap();
    assert_eq!((capped.percent, capped.remark), (25, None));
}

#[test]
fn an_order_is_priced_by_the_message() {
    let (org, account) = fixture(Loyalty::Gold);
    org.implement(|request: QuoteDiscount, _: &Organization| {
        assert_eq!(request.coupon.as_deref(), Some("WELCOME"));
        Ok(discount(request.list_price, 15, None))
    });
    let with_coupon = Order { coupon: "WELCOME".into(), ..order(account) };
    let priced = org.run_create::<price_order>(with_coupon).unwrap();
    assert!(priced.discountpercent.is(15) && priced.price.is(Money::new(170)));
    let fault = org.run_create::<price_order>(Order::default()).err().unwrap();
    assert!(fault.message().starts_with("`customerid` is not in the target"), "{fault}");
}
