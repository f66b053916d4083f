/** The mark: a meerkat on the lookout. */
export function Meerkat({ size = 32 }: { size?: number }) {
  return (
    <svg class="meerkat" width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect class="meerkat-ground" width="32" height="32" rx="9" />
      <circle class="meerkat-dark" cx="7.6" cy="13" r="2.6" />
      <circle class="meerkat-dark" cx="24.4" cy="13" r="2.6" />
      <path
        class="meerkat-fur"
        d="M16 5.500c5.200 0 8.600 3.600 8.600 8.600 0 3.600-1.900 6-4.200 7.600-.9 2.800-2.200 5-4.400 5s-3.500-2.200-4.400-5c-2.300-1.600-4.200-4-4.200-7.600 0-5 3.400-8.600 8.600-8.600Z"
      />
      <ellipse class="meerkat-dark" cx="12.2" cy="14" rx="2.7" ry="3.2" />
      <ellipse class="meerkat-dark" cx="19.8" cy="14" rx="2.7" ry="3.2" />
      <circle class="meerkat-eye" cx="12.8" cy="13.300" r="0.900" />
      <circle class="meerkat-eye" cx="20.4" cy="13.300" r="0.900" />
      <ellipse class="meerkat-dark" cx="16" cy="23.600" rx="1.900" ry="1.500" />
    </svg>
  );
}
