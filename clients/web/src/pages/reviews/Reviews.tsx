import { PageHead } from "../../ui/parts";

export default function Reviews() {
  return <PageHead title="Review" />;
}
