//! What stands behind a context: the host, or a fake of it in a native test.

use std::time::Duration;

use crate::Result;
use crate::context::{Mode, Stage};
use crate::parameters::{Parameter, Parameters};
use crate::query::QueryExpression;
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::request::Request;
use crate::value::{DateTime, EntityReference, UniqueIdentifier, Value};

/// The facts about one message execution.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) message: String,
    pub(crate) stage: Stage,
    pub(crate) mode: Mode,
    pub(crate) depth: u32,
    pub(crate) entity_name: String,
    pub(crate) entity_id: Option<UniqueIdentifier>,
    pub(crate) secondary_entity_name: String,
    pub(crate) owning_extension: String,
    pub(crate) user: UniqueIdentifier,
    pub(crate) initiating_user: UniqueIdentifier,
    pub(crate) correlation_id: UniqueIdentifier,
    pub(crate) request_id: UniqueIdentifier,
    pub(crate) operation_id: Option<UniqueIdentifier>,
    pub(crate) operation_created_on: Option<DateTime>,
    pub(crate) is_in_transaction: bool,
}

impl Execution {
    /// The message's record.
    pub(crate) fn record(&self) -> Option<EntityReference> {
        self.entity_id.map(|id| EntityReference { entity: self.entity_name.clone(), id })
    }
}

/// What a context holds on to. In a component it is the host, known to the compiler, so that a function of the contract
/// that the plugin never calls is not among the component's imports.
#[cfg(target_arch = "wasm32")]
pub(crate) type Handle = crate::wit::Host;
/// What a context holds on to: in a native test, a fake of the host.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) type Handle = std::rc::Rc<dyn Services>;

/// The imports of the contract's world in this crate's types, one for one.
pub(crate) trait Services {
    fn context(&self) -> Execution;
    fn now(&self) -> DateTime;
    fn remaining(&self) -> Duration;
    fn target(&self, columns: &ColumnSet) -> Option<Record>;
    fn set_target(&self, attributes: Vec<(String, Value)>) -> Result;
    fn unset_target(&self, names: Vec<String>) -> Result;
    fn pre_image(&self, alias: &str, columns: &ColumnSet) -> Option<Record>;
    fn post_image(&self, alias: &str, columns: &ColumnSet) -> Option<Record>;
    fn pre_images(&self, alias: &str, columns: &ColumnSet) -> Vec<Option<Record>>;
    fn post_images(&self, alias: &str, columns: &ColumnSet) -> Vec<Option<Record>>;
    fn children_image(&self, alias: &str, columns: &ColumnSet) -> Vec<Record>;
    fn input_parameters(&self) -> Vec<String>;
    fn input_parameter(&self, name: &str) -> Option<Parameter>;
    fn set_input_parameter(&self, name: &str, parameter: Parameter) -> Result;
    fn output_parameters(&self) -> Vec<String>;
    fn output_parameter(&self, name: &str) -> Option<Parameter>;
    fn set_output_parameter(&self, name: &str, parameter: Parameter) -> Result;
    fn output_entity(&self, columns: &ColumnSet) -> Option<Record>;
    fn set_output_entity(&self, attributes: Vec<(String, Value)>) -> Result;
    fn shared_variable(&self, name: &str) -> Option<Value>;
    fn set_shared_variable(&self, name: &str, value: Value) -> Result;
    fn parent_context(&self, level: u32) -> Option<Execution>;
    fn parent_shared_variable(&self, level: u32, name: &str) -> Option<Value>;
    fn configuration(&self) -> Option<String>;
    fn secure_configuration(&self) -> Option<String>;
    fn create(&self, record: Record) -> Result<UniqueIdentifier>;
    fn retrieve(&self, target: EntityReference, columns: &ColumnSet) -> Result<Record>;
    fn update(&self, record: Record) -> Result;
    fn delete(&self, target: EntityReference) -> Result;
    fn retrieve_multiple(&self, query: QueryExpression) -> Result<EntityCollection>;
    fn fetch(&self, fetch_xml: &str) -> Result<EntityCollection>;
    fn execute(&self, request: Request) -> Result<Parameters>;
    fn execute_transaction(&self, requests: Vec<Request>) -> Result<Vec<Parameters>>;
    fn execute_multiple(
        &self,
        requests: Vec<Request>,
        continue_on_error: bool,
    ) -> Result<Vec<Result<Parameters>>>;
    fn attempt(&self) -> u32;
    fn checkpoint(&self) -> Option<Vec<u8>>;
    fn save_checkpoint(&self, data: &[u8]) -> Result;
    fn report_progress(&self, percent: Option<u8>, note: &str) -> Result;
    fn postpone_until(&self, moment: DateTime) -> Result;
    fn environment(&self, name: &str) -> Result<Option<String>>;
    fn secret(&self, name: &str) -> Result<String>;
    fn configuration_value(&self, key: &str) -> Result<String>;
    fn trace(&self, line: &str);
}
