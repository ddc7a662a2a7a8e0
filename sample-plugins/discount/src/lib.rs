//! Quotes the discount that a customer gets: a message of its own, which orders, other plugins and the service call.

use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    loyalty: Field<Loyalty>,
}

#[derive(Choice, Clone, Copy, PartialEq)]
enum Loyalty {
    Silver = 1,
    Gold = 2,
}

#[derive(Entity, Default)]
#[entity("salesorder")]
struct Order {
    customerid: Field<Ref<Account>>,
    listprice: Field<Money>,
    coupon: Field<String>,
    discountpercent: Field<i32>,
    price: Field<Money>,
}

/// Quotes the discount that an account gets on a price.
#[derive(CustomMessage)]
#[message("sg_QuoteDiscount", response = Discount)]
struct QuoteDiscount {
    #[target]
    account: Ref<Account>,
    list_price: Money,
    coupon: Option<String>,
}

#[derive(Response, Debug, PartialEq)]
struct Discount {
    percent: i32,
    price: Money,
    /// Why it is not more.
    remark: Option<String>,
}

/// The message's main operation: what it returns is the response.
#[step(MainOperation)]
fn quote_discount(ctx: &mut Call<QuoteDiscount>) -> Result<Discount> {
    let QuoteDiscount { account, list_price, coupon } = &ctx.request;
    ensure!(*list_price >= Money::ZERO, "a list price of {list_price} is below zero");
    let customer: Account = ctx.org().retrieve(*account)?;
    let loyal = match customer.loyalty.get() {
        Some(Loyalty::Gold) => 15,
        Some(Loyalty::Silver) => 8,
        None => 0,
    };
    let (welcome, remark) = match coupon.as_deref() {
        None => (0, None),
        Some("WELCOME") if is_new(ctx, *account)? => (10, None),
        Some("WELCOME") => (0, Some("WELCOME is for the first order".to_owned())),
        Some(other) => bail!("there is no coupon `{other}`"),
    };
    Ok(discount(*list_price, loyal + welcome, remark))
}

/// Nobody gets more than the configuration says. Another plugin could do the same.
#[step(PostOperation, configuration = "20")]
fn cap_discount(ctx: &mut Call<QuoteDiscount>) -> Result {
    let most = ctx.configuration().unwrap_or_default().parse()?;
    let list_price = ctx.request.list_price;
    if let Some(response) = &mut ctx.response
        && response.percent > most
    {
        *response = discount(list_price, most, Some(format!("{most} % is the most")));
    }
    Ok(())
}

/// An order is priced by the message, with all of its steps.
#[step(PreOperation)]
fn price_order(ctx: &mut Create<Order>) -> Result {
    let quoted = ctx.org().call(QuoteDiscount {
        account: ctx.target.customerid.require()?,
        list_price: ctx.target.listprice.require()?,
        coupon: ctx.target.coupon.get().cloned(),
    })?;
    ctx.target.discountpercent = quoted.percent.into();
    ctx.target.price = quoted.price.into();
    Ok(())
}

fn is_new(ctx: &Context, account: Ref<Account>) -> Result<bool> {
    let orders = Query::<Order>::new().filter(Order::COLUMNS.customerid.eq(account));
    Ok(ctx.org().retrieve_first(orders)?.is_none())
}

fn discount(list_price: Money, percent: i32, remark: Option<String>) -> Discount {
    let price = (list_price * (100 - percent) / 100).round(2);
    Discount { percent, price, remark }
}

plugin!(quote_discount, cap_discount, price_order);

#[cfg(test)]
mod tests;
