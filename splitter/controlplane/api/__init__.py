"""The serving-endpoints API of Databricks: its routes, what they take and what they answer."""
