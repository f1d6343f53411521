"""How a run goes: what it is told, what it reads ahead, how far it is; classifiers that evaluations teach."""
