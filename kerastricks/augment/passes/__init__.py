"""How it is carried out: a program, its plans, and their passes over the pixels."""
