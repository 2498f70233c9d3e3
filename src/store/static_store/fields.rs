//! The fields of an entry, taken by name and with the type that they should have.

use super::{
    error::{Place, StaticError, StaticProblem, shown},
    value::Value,
};
use crate::id::{InvalidId, check_organization_id};

/// The fields of a table that are not taken yet.
pub(super) struct Fields {
    place: Place,
    fields: Vec<(String, Value)>,
}

impl Fields {
    /// Takes the fields of a table, which may only be `known` ones, each once.
    pub(super) fn of(
        value: Value,
        place: Place,
        known: &'static [&'static str],
    ) -> Result<Self, StaticError> {
        let fields = match value {
            Value::Table(fields) => fields,
            other => {
                let problem = StaticProblem::NotATable(other.describe());
                return Err(StaticError::new(place, problem));
            }
        };
        let this = Self { place, fields };
        if let Some((field, _)) = this
            .fields
            .iter()
            .find(|(name, _)| !known.contains(&&**name))
        {
            let field = shown(field);
            return Err(this.error(StaticProblem::UnknownField { field, known }));
        }
        let times = |known: &&&str| {
            this.fields
                .iter()
                .filter(|(name, _)| name == **known)
                .count()
        };
        match known.iter().find(|known| times(known) > 1) {
            Some(twice) => Err(this.error(StaticProblem::RepeatedField(twice))),
            None => Ok(this),
        }
    }

    /// Returns an error about this entry.
    pub(super) fn error(&self, problem: StaticProblem) -> StaticError {
        StaticError::new(self.place.clone(), problem)
    }

    /// Names the entry in errors from now on.
    pub(super) fn set_id(&mut self, public: &str) {
        if let Place::Entry { id, .. } = &mut self.place {
            *id = Some(shown(public));
        }
    }

    /// Returns the place of a membership of this entry.
    fn membership(&self, count: usize) -> Place {
        let mut place = self.place.clone();
        if let Place::Entry { membership, .. } = &mut place {
            *membership = Some(count);
        }
        place
    }

    /// Takes a field.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        Some(self.fields.swap_remove(at).1)
    }

    /// Takes a field that is optional, of the type that `read` accepts.
    fn optional<T>(
        &mut self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(Value) -> Result<T, Value>,
    ) -> Result<Option<T>, StaticError> {
        let wrong = |other: Value| StaticProblem::WrongType {
            field,
            expected,
            found: other.describe(),
        };
        let value = self.take(field).map(read).transpose();
        value.map_err(|other| self.error(wrong(other)))
    }

    pub(super) fn text(&mut self, field: &'static str) -> Result<Option<String>, StaticError> {
        self.optional(field, "a string", |value| match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        })
    }

    /// Takes an integer, for which `null` may stand. Elsewhere `null` is a mistake, such as a list
    /// whose items are commented out: no list would restrict nothing.
    pub(super) fn integer(&mut self, field: &'static str) -> Result<Option<i64>, StaticError> {
        let integer = self.optional(field, "an integer", |value| match value {
            Value::Integer(integer) => Ok(Some(integer)),
            Value::Nothing => Ok(None),
            other => Err(other),
        });
        integer.map(Option::flatten)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<Option<bool>, StaticError> {
        self.optional(field, "a boolean", |value| match value {
            Value::Flag(flag) => Ok(flag),
            other => Err(other),
        })
    }

    pub(super) fn list(&mut self, field: &'static str) -> Result<Option<Vec<Value>>, StaticError> {
        self.optional(field, "a list", |value| match value {
            Value::List(items) => Ok(items),
            other => Err(other),
        })
    }

    pub(super) fn texts(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, StaticError> {
        let text = |value| match value {
            Value::Text(text) => Ok(text),
            other => Err(other),
        };
        self.optional(field, "a list of strings", |value| match value {
            Value::List(items) => items.into_iter().map(text).collect(),
            other => Err(other),
        })
    }

    /// Takes a list of tables with `known` fields, such as memberships.
    pub(super) fn tables(
        &mut self,
        field: &'static str,
        known: &'static [&'static str],
    ) -> Result<Vec<Self>, StaticError> {
        let items = self.list(field)?.unwrap_or_default();
        let numbered = (1..).zip(items);
        numbered
            .map(|(number, item)| Self::of(item, self.membership(number), known))
            .collect()
    }

    /// Takes a text that has to be there.
    pub(super) fn required(&mut self, field: &'static str) -> Result<String, StaticError> {
        let text = self.text(field)?;
        text.ok_or_else(|| self.error(StaticProblem::MissingField(field)))
    }

    /// Takes the id of an organization or a user.
    pub(super) fn id(
        &mut self,
        field: &'static str,
        check: fn(&str) -> Result<(), InvalidId>,
    ) -> Result<String, StaticError> {
        let id = self.required(field)?;
        self.check_id(field, &id, check)?;
        Ok(id)
    }

    /// Takes a list of ids of organizations.
    pub(super) fn organizations(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Vec<String>>, StaticError> {
        let ids = self.texts(field)?;
        for id in ids.iter().flatten() {
            self.check_id(field, id, check_organization_id)?;
        }
        Ok(ids)
    }

    fn check_id(
        &self,
        field: &'static str,
        id: &str,
        check: fn(&str) -> Result<(), InvalidId>,
    ) -> Result<(), StaticError> {
        check(id).map_err(|_| {
            let source = InvalidId::from(&*shown(id));
            self.error(StaticProblem::InvalidId { field, source })
        })
    }
}
