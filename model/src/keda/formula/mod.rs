//! `advanced.scalingModifiers.formula`: one number from all external triggers' values
//! (kedacore/keda 2.20 pkg/scaling/modifiers/formula.go; the language is expr-lang's).

mod names;

use std::fmt;

use expr::{Context, Environment, Program, Value};

/// A compiled formula.
pub struct Formula {
    program: Program,
    text: String,
}

/// Why a formula cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It uses a name that is neither a trigger's nor one of the language.
    #[error("the formula {formula:?} does not compile: unknown name {name}")]
    Unknown {
        /// As written.
        formula: String,
        /// The name.
        name: String,
    },
    /// It cannot be parsed, or has no value.
    #[error("the formula {formula:?} does not evaluate: {reason}")]
    Undefined {
        /// As written.
        formula: String,
        /// What is wrong with it: a syntax error, a name without a value, an operation on the wrong types.
        reason: String,
    },
}

/// What a formula came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// A number.
    Number(f64),
    /// Nil: all that `??` tried has failed.
    Nil,
}

impl Formula {
    /// Compiles a formula and tries it on values of -1, as KEDA does to see whether all names are triggers', those
    /// in branches not taken too (apis/keda/v1alpha1/scaledobject_webhook.go `validateScalingModifiersFormula`).
    ///
    /// # Errors
    ///
    /// When it cannot be parsed, or names what is no trigger, or is no number.
    pub fn compile<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        // A whole number that comes out becomes a float (keda 2.20
        // apis/keda/v1alpha1/scaledobject_webhook.go `castToFloatIfNecessary`): that is done in the end.
        let program = expr::compile(text).map_err(|error| refuse(text, &error))?;
        let names: Vec<&str> = names.into_iter().collect();
        if let Some(name) = names::unknown(text, &names) {
            let (formula, name) = (text.to_owned(), name.to_owned());
            return Err(Error::Unknown { formula, name });
        }
        let formula = Formula {
            program,
            text: text.to_owned(),
        };
        formula.evaluate(names.into_iter().map(|name| (name, Some(-1.0))))?;
        Ok(formula)
    }

    /// The formula's value. A trigger whose fallback is the formula's matter is nil.
    ///
    /// # Errors
    ///
    /// When a name has no value or an operation is undefined.
    pub fn evaluate<'a>(
        &self,
        values: impl IntoIterator<Item = (&'a str, Option<f64>)>,
    ) -> Result<Outcome, Error> {
        let mut context = Context::default();
        for (name, value) in values {
            context.insert(name, value.map_or(Value::Nil, Value::Float));
        }
        let found = Environment::new().run(&self.program, &context);
        match found.map_err(|error| refuse(&self.text, &error))? {
            Value::Float(number) => Ok(Outcome::Number(number)),
            Value::Integer(number) => Ok(Outcome::Number(number as f64)),
            Value::Nil => Ok(Outcome::Nil),
            other => Err(refuse(&self.text, &format_args!("{other} is no number"))),
        }
    }
}

fn refuse(formula: &str, reason: &dyn fmt::Display) -> Error {
    Error::Undefined {
        formula: formula.to_owned(),
        reason: reason.to_string(),
    }
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(formula: &str, expected: f64) {
        let formula = Formula::compile(formula, ["rps", "queue"]).unwrap();
        let found = formula
            .evaluate([("rps", Some(7.0)), ("queue", Some(2.5))])
            .unwrap();
        assert_eq!(found, Outcome::Number(expected), "{formula:?}");
    }

    #[test]
    fn formulas_of_the_documentation() {
        check("rps + queue", 9.5);
        check("(rps + queue) / 2", 4.75);
        check("rps > 2 ? rps + queue : 1", 9.5);
        check("count([rps, queue], {# > 1}) > 1 ? 5 : 0", 5.0);
        check("max(rps, queue * 3)", 7.5);
        check("ceil(queue)", 3.0);
        check("rps > 5 && queue < 2 ? 10 : 3", 3.0);
        check("let x = queue; x + x", 5.0);
    }

    #[test]
    fn a_failed_trigger_is_nil() {
        let formula = Formula::compile("rps ?? queue ?? 8", ["rps", "queue"]).unwrap();
        let value = |rps, queue| formula.evaluate([("rps", rps), ("queue", queue)]).unwrap();
        assert_eq!(value(None, Some(3.0)), Outcome::Number(3.0));
        assert_eq!(value(None, None), Outcome::Number(8.0));
        let formula = Formula::compile("rps ?? queue", ["rps", "queue"]).unwrap();
        assert_eq!(
            formula.evaluate([("rps", None), ("queue", None)]).unwrap(),
            Outcome::Nil
        );
    }

    #[test]
    fn what_does_not_evaluate_is_refused_with_its_reason() {
        let refused = |formula| Formula::compile(formula, ["rps"]).unwrap_err().to_string();
        assert!(refused("rps + other").contains("unknown name other"));
        assert!(refused("rps < 0 ? 1 : other").contains("unknown name other"));
        assert!(refused("rps +").contains("rps +"));
        assert!(refused("rps % 2").contains("%"));
        // It is tried on -1.
        assert!(refused("rps < 0 ? 'none' : rps").contains("none"));
    }
}
