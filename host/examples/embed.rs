//! A service that puts Stagegate in the middle of its writes.

use stagegate::wasm::{Engine, Settings};
use stagegate::{Decimal, Entity, Fault, Host, NativeStep, Request, Stage, StepDefinition, Value};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Other people's code, sandboxed: steps that a component declares.
    let engine = Engine::new(Settings::default())?;
    let component = std::env::args().nth(1).ok_or("name the credit guard's .wasm file")?;
    let plugin = engine.load(component).await?;
    let declared = plugin.declaration().definitions()?; // the entities that it expects

    // Code of our own, trusted: an async closure as a step.
    let refuse_test_names = NativeStep::new(|cx| async move {
        let name = cx.target()?.and_then(|target| target.get("name").cloned());
        match name {
            Some(Value::String(name)) if name.starts_with("test") => {
                Err(Fault::new("a test has no place here"))
            }
            _ => Ok(()),
        }
    });

    let folder = tempfile::tempdir()?;
    let host = Host::builder()
        .sqlite(folder.path().join("service.db"))
        .plugin(plugin)
        .native_step(
            "service",
            StepDefinition::new("refuse_test_names", "Create", Stage::PreValidation).on("account"),
            refuse_test_names,
        )
        .build()
        .await?;
    host.define(declared).await?; // or your own `EntityDefinition`s

    // Every request runs the steps: here the service's own.
    let acme = host.execute(Request::create(Entity::new("account").with("name", "Acme"))).await?.id();
    let refused = host.execute(Request::create(Entity::new("account").with("name", "test 1"))).await;
    println!("{}", refused.err().map(|error| error.to_string()).unwrap_or_default());

    // And here the plugin's, as a user whose approval limit it looks up.
    let limit = |amount: i64| Value::Money(Decimal::from(amount));
    let ada = Entity::new("systemuser").with("approvallimit", limit(1000));
    let ada = host.execute(Request::create(ada)).await?.id().unwrap_or_default();
    let mut rise = Entity::new("account").with("creditlimit", limit(5000));
    rise.id = acme;
    if let Err(error) = host.execute(Request::update(rise).as_user(ada)).await {
        println!("{error}"); // rolled back; `error.location()` says which step, `error.code()` which code
    }

    host.idle().await?; // asynchronous steps that the requests left behind
    host.shutdown().await;
    Ok(())
}
