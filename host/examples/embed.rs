//! A service that puts Stagegate in the middle of its writes.

use stagegate::wasm::{Engine, Settings};
use stagegate::{
    AttributeType, Entity, EntityDefinition, Fault, Host, NativeStep, Request, Stage, StepDefinition, Value,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Other people's code, sandboxed: steps that a component declares.
    let engine = Engine::new(Settings::default())?;
    let component = std::env::args().nth(1).ok_or("name the credit guard's .wasm file")?;
    let plugin = engine.load(component).await?;

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
    let account = EntityDefinition::new("account")
        .with_required("name", AttributeType::String { max_length: 100 })
        .with("creditlimit", AttributeType::Money { precision: 2 });
    host.define(vec![account]).await?;

    let acme = Entity::new("account").with("name", Value::String("Acme".into()));
    let id = host.execute(Request::create(acme)).await?.id();
    println!("created account {id:?}");

    let refused = Entity::new("account").with("name", Value::String("test 1".into()));
    if let Err(error) = host.execute(Request::create(refused)).await {
        println!("{error}");
    }

    host.idle().await?; // asynchronous steps that the requests left behind
    host.shutdown().await;
    Ok(())
}
