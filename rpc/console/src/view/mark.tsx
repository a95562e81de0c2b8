/** Mark is the sign of Intervene: a column that is handed over. */
export function Mark() {
  return (
    <svg class="brand-mark" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <rect x="2" y="3" width="5" height="18" rx="1.5" />
      <rect x="9.5" y="3" width="5" height="11" rx="1.5" class="brand-faint" />
      <path d="M17 3.5h3.5a1.5 1.5 0 0 1 1.5 1.5v14a1.5 1.5 0 0 1-1.5 1.5H17zM12 17l4 2-4 2z" />
    </svg>
  );
}
