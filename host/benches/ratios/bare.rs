//! The floor of a step: wasmtime alone, on the same component, with the engine tuned as the host tunes its own.
//!
//! Instantiate, call, drop. The imports answer from a constant; nothing is checked, bounded, timed or converted.

use std::path::Path;
use std::sync::Arc;

use stagegate::Entity;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{ResourceTable, WasiCtx, WasiCtxView, WasiView};

#[allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from the WIT")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit/v0.1",
        world: "plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}

use bindings::stagegate::plugin::{
    capabilities, execution_context, organization_service, system_job, tracing_service, types,
};

/// Sandboxes of the pool, as many as the host's engine has by default.
const SLOTS: u32 = 16 * 9;

/// A component that is ready to be called.
#[derive(Clone)]
pub(crate) struct Bare {
    plugin: bindings::PluginPre<State>,
    context: Arc<execution_context::Execution>,
    target: Arc<types::Entity>,
}

struct State {
    context: Arc<execution_context::Execution>,
    target: Arc<types::Entity>,
    wasi: WasiCtx,
    table: ResourceTable,
}

impl Bare {
    pub(crate) fn new(component: &Path, target: &Entity) -> Self {
        let engine = Engine::new(&config()).unwrap();
        let component = Component::from_file(&engine, component).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        bindings::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state: &mut State| state).unwrap();
        let plugin = bindings::PluginPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { plugin, context: Arc::new(context()), target: Arc::new(convert(target)) }
    }

    /// Runs of the step `touch`, one after another.
    pub(crate) async fn calls(&self, count: u32) {
        for _ in 0..count {
            self.call("touch").await;
        }
    }

    /// One run of a step.
    pub(crate) async fn call(&self, step: &str) {
        let state = State {
            context: Arc::clone(&self.context),
            target: Arc::clone(&self.target),
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(self.plugin.engine(), state);
        store.set_epoch_deadline(u64::MAX / 2);
        let plugin = self.plugin.instantiate_async(&mut store).await.unwrap();
        plugin.stagegate_plugin_steps().call_execute(&mut store, step).await.unwrap().unwrap();
    }
}

fn config() -> Config {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        .total_stacks(SLOTS)
        .total_core_instances(SLOTS * 64)
        .total_memories(SLOTS * 4)
        .total_tables(SLOTS * 40)
        .max_core_instances_per_component(64)
        .max_memories_per_component(4)
        .max_tables_per_component(40)
        .max_core_instance_size(4 << 20)
        .max_component_instance_size(4 << 20)
        .table_elements(50_000)
        .max_memory_size(128 << 20)
        .linear_memory_keep_resident(2 << 20)
        .table_keep_resident(64 << 10)
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .concurrency_support(false)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}

fn context() -> execution_context::Execution {
    let id = types::UniqueIdentifier { high: 1, low: 2 };
    execution_context::Execution {
        message: "Create".into(),
        stage: execution_context::Stage::PreOperation,
        mode: execution_context::Mode::Synchronous,
        depth: 1,
        primary_entity_name: "probe".into(),
        primary_entity_id: None,
        secondary_entity_name: "none".into(),
        owning_extension: "bare/note".into(),
        user_id: id,
        initiating_user_id: id,
        correlation_id: id,
        request_id: id,
        operation_id: None,
        operation_created_on: None,
        is_in_transaction: true,
    }
}

fn convert(entity: &Entity) -> types::Entity {
    let value = |value: &stagegate::Value| match value {
        stagegate::Value::String(text) => types::Value::String(text.clone()),
        stagegate::Value::Integer(number) => types::Value::Integer(*number),
        other => panic!("the payload has no {other:?}"),
    };
    let attributes = entity.attributes.iter();
    types::Entity {
        logical_name: entity.logical_name.clone(),
        id: None,
        attributes: attributes
            .map(|(name, of)| types::Attribute { name: name.clone(), value: value(of) })
            .collect(),
        key_attributes: Vec::new(),
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl types::Host for State {}

impl tracing_service::Host for State {
    fn trace(&mut self, _: String) -> wasmtime::Result<()> {
        Ok(())
    }
}

type Answer<T> = wasmtime::Result<Result<T, types::Fault>>;

fn unused<T>() -> wasmtime::Result<T> {
    Err(wasmtime::Error::msg("the benchmark's step does not call this"))
}

impl execution_context::Host for State {
    fn context(&mut self) -> wasmtime::Result<execution_context::Execution> {
        Ok((*self.context).clone())
    }
    fn now(&mut self) -> wasmtime::Result<i64> {
        Ok(0)
    }
    fn remaining_ms(&mut self) -> wasmtime::Result<u64> {
        Ok(0)
    }
    fn target(&mut self, _: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        Ok(Some((*self.target).clone()))
    }
    fn set_target(&mut self, _: Vec<types::Attribute>) -> Answer<()> {
        Ok(Ok(()))
    }
    fn unset_target(&mut self, _: Vec<String>) -> Answer<()> {
        Ok(Ok(()))
    }
    fn pre_image(&mut self, _: String, _: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        unused()
    }
    fn post_image(&mut self, _: String, _: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        unused()
    }
    fn pre_images(&mut self, _: String, _: types::ColumnSet) -> wasmtime::Result<Vec<Option<types::Entity>>> {
        unused()
    }
    fn post_images(
        &mut self,
        _: String,
        _: types::ColumnSet,
    ) -> wasmtime::Result<Vec<Option<types::Entity>>> {
        unused()
    }
    fn children_image(&mut self, _: String, _: types::ColumnSet) -> wasmtime::Result<Vec<types::Entity>> {
        unused()
    }
    fn input_parameters(&mut self) -> wasmtime::Result<Vec<String>> {
        unused()
    }
    fn input_parameter(&mut self, _: String) -> wasmtime::Result<Option<types::Parameter>> {
        unused()
    }
    fn set_input_parameter(&mut self, _: String, _: types::Parameter) -> Answer<()> {
        unused()
    }
    fn output_parameters(&mut self) -> wasmtime::Result<Vec<String>> {
        unused()
    }
    fn output_parameter(&mut self, _: String) -> wasmtime::Result<Option<types::Parameter>> {
        unused()
    }
    fn set_output_parameter(&mut self, _: String, _: types::Parameter) -> Answer<()> {
        unused()
    }
    fn output_entity(&mut self, _: types::ColumnSet) -> wasmtime::Result<Option<types::Entity>> {
        unused()
    }
    fn set_output_entity(&mut self, _: Vec<types::Attribute>) -> Answer<()> {
        unused()
    }
    fn shared_variable(&mut self, _: String) -> wasmtime::Result<Option<types::Value>> {
        unused()
    }
    fn set_shared_variable(&mut self, _: String, _: types::Value) -> Answer<()> {
        unused()
    }
    fn parent_context(&mut self, _: u32) -> wasmtime::Result<Option<execution_context::Execution>> {
        unused()
    }
    fn parent_shared_variable(&mut self, _: u32, _: String) -> wasmtime::Result<Option<types::Value>> {
        unused()
    }
    fn configuration(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
    fn secure_configuration(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl organization_service::Host for State {
    fn create(&mut self, _: types::Entity) -> Answer<types::UniqueIdentifier> {
        unused()
    }
    fn retrieve(&mut self, _: types::EntityReference, _: types::ColumnSet) -> Answer<types::Entity> {
        unused()
    }
    fn update(&mut self, _: types::Entity) -> Answer<()> {
        unused()
    }
    fn delete(&mut self, _: types::EntityReference) -> Answer<()> {
        unused()
    }
    fn retrieve_multiple(&mut self, _: types::Query) -> Answer<types::EntityCollection> {
        unused()
    }
    fn fetch(&mut self, _: String) -> Answer<types::EntityCollection> {
        unused()
    }
    fn execute(&mut self, _: organization_service::Request) -> Answer<Vec<types::NamedParameter>> {
        unused()
    }
    fn execute_transaction(
        &mut self,
        _: Vec<organization_service::Request>,
    ) -> Answer<Vec<Vec<types::NamedParameter>>> {
        unused()
    }
    fn execute_multiple(
        &mut self,
        _: Vec<organization_service::Request>,
        _: bool,
    ) -> Answer<Vec<Result<Vec<types::NamedParameter>, types::Fault>>> {
        unused()
    }
}

impl capabilities::Host for State {
    fn environment(&mut self, _: String) -> Answer<Option<String>> {
        unused()
    }
    fn secret(&mut self, _: String) -> Answer<String> {
        unused()
    }
    fn configuration(&mut self, _: String) -> Answer<String> {
        unused()
    }
}

impl system_job::Host for State {
    fn attempt(&mut self) -> wasmtime::Result<u32> {
        unused()
    }
    fn checkpoint(&mut self) -> wasmtime::Result<Option<Vec<u8>>> {
        unused()
    }
    fn save_checkpoint(&mut self, _: Vec<u8>) -> Answer<()> {
        unused()
    }
    fn report_progress(&mut self, _: Option<u8>, _: String) -> Answer<()> {
        unused()
    }
    fn postpone_until(&mut self, _: i64) -> Answer<()> {
        unused()
    }
}
