"""The roles by name. Adding one is a file with its Role, and a line here."""

from mem_alpha_jax.roles import answerer, role, writer

# The first one writes the memory that the others use.
ROLES: dict[str, role.Role] = {
  'writer': writer.ROLE,
  'answerer': answerer.ROLE,
}
