//! Which Rust types a parameter of a custom message may have.

use super::Parameter;
use crate::Row;
use crate::declaration::{EntityDeclaration, same};
use crate::entity::{Entity, Shape};
use crate::record::{EntityCollection, Record, Side};
use crate::value::{AttributeType, Ref, Value};

/// A Rust type that a parameter may have.
///
/// | on the platform | in Rust |
/// | --- | --- |
/// | Boolean, Integer, Float | `bool`, `i32`, `f64` |
/// | Decimal, Money, DateTime, Guid | [`Decimal`](crate::Decimal), [`Money`](crate::Money), [`DateTime`](crate::DateTime), [`UniqueIdentifier`](crate::UniqueIdentifier) |
/// | String, StringArray | `String`, `Vec<String>` |
/// | Picklist | [`Choice`](struct@crate::Choice), or an enum with `#[derive(Choice)]` |
/// | EntityReference | [`Ref<E>`], or [`EntityReference`](crate::EntityReference) for any entity |
/// | Entity | a struct with `#[derive(Entity)]`, [`Row<E>`] with its identifier, or [`Record`] for any entity |
/// | EntityCollection | `Vec<E>`, `Vec<Row<E>>`, or [`EntityCollection`] for any entity |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a parameter",
    label = "not a type of a parameter",
    note = "use one of bool, i32, f64, Decimal, Money, DateTime, UniqueIdentifier, String, Vec<String>, Choice or an \
            enum with #[derive(Choice)], Ref<E>, EntityReference, Record, EntityCollection, an entity's struct E, \
            Row<E>, Vec<E>, Vec<Row<E>>; `Option<..>` of one if it may be left out"
)]
pub trait ParameterType: Sized {
    /// The type's name in a declaration, for example `picklist`.
    const TYPE: &'static str;

    /// For records and references to them: of which entity; any if none.
    const ENTITY: Option<&'static str> = None;

    /// As a parameter.
    fn into_parameter(self) -> Parameter;

    /// From a parameter; none if it is of another type.
    fn from_parameter(parameter: Parameter) -> Option<Self>;
}

impl<T: AttributeType> ParameterType for T {
    const TYPE: &'static str = {
        assert!(
            !same(T::TYPE, "big-integer") && !same(T::TYPE, "choices"),
            "a custom message has no parameters of the types i64 and Choices: use i32, Decimal or Vec<String>"
        );
        name_of(T::TYPE)
    };
    const ENTITY: Option<&'static str> = match T::TARGETS {
        [entity] => Some(*entity),
        _ => None,
    };

    fn into_parameter(self) -> Parameter {
        Parameter::Value(self.into_value())
    }

    fn from_parameter(parameter: Parameter) -> Option<Self> {
        match parameter {
            Parameter::Value(value) => T::from_value(value),
            _ => None,
        }
    }
}

/// The types that are a variant of [`Parameter`] each.
macro_rules! variants {
    ($($type:ty = $name:literal, $variant:ident;)*) => {
        $(
            impl ParameterType for $type {
                const TYPE: &'static str = $name;

                fn into_parameter(self) -> Parameter {
                    Parameter::$variant(self)
                }

                fn from_parameter(parameter: Parameter) -> Option<Self> {
                    match parameter {
                        Parameter::$variant(inner) => Some(inner),
                        _ => None,
                    }
                }
            }
        )*
    };
}

variants! {
    Vec<String> = "string-array", Strings;
    Record = "entity", Entity;
    EntityCollection = "entity-collection", Entities;
}

impl<E: Entity> ParameterType for Row<E> {
    const TYPE: &'static str = "entity";
    const ENTITY: Option<&'static str> = Some(E::LOGICAL_NAME);

    fn into_parameter(self) -> Parameter {
        Parameter::Entity(row_out(self))
    }

    fn from_parameter(parameter: Parameter) -> Option<Self> {
        E::found(of::<E>(Record::from_parameter(parameter)?)?).ok()
    }
}

impl<E: Entity> ParameterType for Vec<E> {
    const TYPE: &'static str = "entity-collection";
    const ENTITY: Option<&'static str> = Some(E::LOGICAL_NAME);

    fn into_parameter(self) -> Parameter {
        let records = self.into_iter().map(E::into_record).collect();
        Parameter::Entities(EntityCollection::new(E::LOGICAL_NAME, records))
    }

    fn from_parameter(parameter: Parameter) -> Option<Self> {
        let records = EntityCollection::from_parameter(parameter)?.records.into_iter();
        records.map(|record| E::from_record(of::<E>(record)?, Side::Output).ok()).collect()
    }
}

impl<E: Entity> ParameterType for Vec<Row<E>> {
    const TYPE: &'static str = "entity-collection";
    const ENTITY: Option<&'static str> = Some(E::LOGICAL_NAME);

    fn into_parameter(self) -> Parameter {
        let records = self.into_iter().map(row_out).collect();
        Parameter::Entities(EntityCollection::new(E::LOGICAL_NAME, records))
    }

    fn from_parameter(parameter: Parameter) -> Option<Self> {
        let records = EntityCollection::from_parameter(parameter)?.records.into_iter();
        records.map(|record| E::found(of::<E>(record)?).ok()).collect()
    }
}

/// What the derive of an entity's struct calls.
#[doc(hidden)]
pub fn entity_from<E: Entity>(parameter: Parameter) -> Option<E> {
    E::from_record(of::<E>(Record::from_parameter(parameter)?)?, Side::Output).ok()
}

fn row_out<E: Entity>(row: Row<E>) -> Record {
    row.entity.into_record().with_id(row.id)
}

/// The record, if it is one of the entity.
fn of<E: Entity>(record: Record) -> Option<Record> {
    (record.logical_name == E::LOGICAL_NAME).then_some(record)
}

/// The field of a custom message's struct: a [`ParameterType`], or an `Option` of one that may be left out.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the type of a parameter",
    label = "not a type of a parameter",
    note = "use one of bool, i32, f64, Decimal, Money, DateTime, UniqueIdentifier, String, Vec<String>, Choice or an \
            enum with #[derive(Choice)], Ref<E>, EntityReference, Record, EntityCollection, an entity's struct E, \
            Row<E>, Vec<E>, Vec<Row<E>>; `Option<..>` of one if it may be left out"
)]
pub trait ParameterField: Sized {
    /// The type of its values.
    type Type: ParameterType;

    /// Whether it may be left out.
    const OPTIONAL: bool;

    #[doc(hidden)]
    fn into_optional(self) -> Option<Parameter>;

    #[doc(hidden)]
    fn from_optional(parameter: Option<Parameter>) -> Option<Self>;
}

impl<T: ParameterType> ParameterField for T {
    type Type = T;
    const OPTIONAL: bool = false;

    fn into_optional(self) -> Option<Parameter> {
        Some(self.into_parameter())
    }

    fn from_optional(parameter: Option<Parameter>) -> Option<Self> {
        T::from_parameter(parameter?)
    }
}

impl<T: ParameterType> ParameterField for Option<T> {
    type Type = T;
    const OPTIONAL: bool = true;

    fn into_optional(self) -> Option<Parameter> {
        self.map(T::into_parameter)
    }

    fn from_optional(parameter: Option<Parameter>) -> Option<Self> {
        match parameter {
            None | Some(Parameter::Value(Value::Null)) => Some(None),
            Some(parameter) => T::from_parameter(parameter).map(Some),
        }
    }
}

/// The field with `#[target]` of a custom message's struct: a [`Ref`].
#[diagnostic::on_unimplemented(
    message = "the target of a custom message is a `Ref<E>`, not `{Self}`",
    label = "write `Ref<E>`, with the struct of the entity that the message is bound to",
    note = "a message that is bound to no entity has no field with `#[target]`"
)]
pub trait TargetField: ParameterType {
    #[doc(hidden)]
    const DECLARATION: &'static EntityDeclaration;
}

impl<E: Entity> TargetField for Ref<E> {
    const DECLARATION: &'static EntityDeclaration = &E::DECLARATION;
}

/// The platform's name for an attribute's type as a parameter.
pub(super) const fn name_of(attribute_type: &'static str) -> &'static str {
    const NAMES: [(&str, &str); 4] = [
        ("double", "float"),
        ("choice", "picklist"),
        ("lookup", "entity-reference"),
        ("unique-identifier", "guid"),
    ];
    let mut rest: &[(&str, &str)] = &NAMES;
    while let [(attribute, parameter), others @ ..] = rest {
        if same(attribute, attribute_type) {
            return parameter;
        }
        rest = others;
    }
    attribute_type
}
