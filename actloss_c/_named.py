"""What every public object is by its entry: a name, a formula, a source, a docstring; pickled by that name."""


class Named:
    """An object of the registry."""

    def _publish(self, entry, doc):
        self.name = self.__name__ = self.__qualname__ = entry.name
        self.__module__ = "actloss_c"
        self.__doc__ = doc
        self.formula = entry.formula
        self.paper = entry.paper

    def __repr__(self):
        return f"<actloss_c.{self.name}: {self.formula}>"

    def __reduce__(self):
        return self.name  # by public name: a pickle made on one level loads on another
